"""Dropout while pruned weights retrain: Han's rule, layer by layer."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from keras import layers

from bramble.compress.prune import prune
from bramble.datasets.types import Dataset
from bramble.errors import UsageError
from bramble.recipe import Prune
from bramble.training.lesson import PLAIN
from bramble_zoo import lenet300

from ..conftest import quiet


def how(**changes: object) -> Prune:
    """A tenth is kept, at once and without training, with some keys changed."""
    return Prune.model_validate({"do": "prune", "epochs": 0, "density": 0.1, "remove_dead": False} | changes)


def rates(model: keras.Model) -> list[float]:
    """Of the Dropout layers."""
    return [layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"density": 0.25, "scope": "local"}, [0.25, 0.25]),  # 0.5 · √0.25
        ({"density": None, "densities": {"fc1": 0.36}}, [0.3, 0.5]),  # behind fc2 nothing changes
        ({"density": 0.25, "rescale_dropout": False}, [0.5, 0.5]),
        ({"density": 1.0}, [0.5, 0.5]),
    ],
    ids=str,
)
def test_dropout_is_hans_rule(digits: Dataset, changes: dict[str, object], expected: list[float]) -> None:
    """D_r = D_o·√(C_ir/C_io), with the connections of the layer before each Dropout."""
    model = prune(lenet300.build((8, 8, 1), 10), how(dropout=0.5, **changes), quiet(digits), PLAIN)
    assert rates(model) == pytest.approx(expected, rel=1e-3)


def test_dropout_follows_what_a_global_ranking_leaves(digits: Dataset) -> None:
    """Ranked together, layers keep different shares: each Dropout goes by the layer before it."""
    model = prune(lenet300.build((8, 8, 1), 10), how(dropout=0.5, density=0.3), quiet(digits), PLAIN)
    kernels = [np.asarray(model.get_layer(name).kernel) for name in ("fc1", "fc2")]
    assert rates(model) == pytest.approx([0.5 * math.sqrt(np.mean(kernel != 0)) for kernel in kernels])


def test_hans_rule_does_not_compound(digits: Dataset) -> None:
    """Pruned to 25 % and then to 4 %, a rate of 0.5 becomes 0.5·√0.04, as if it had been done at once."""
    once = prune(lenet300.build((8, 8, 1), 10), how(dropout=0.5, density=0.25, scope="local"), quiet(digits), PLAIN)
    twice = prune(once, how(density=0.04, scope="local"), quiet(digits), PLAIN)
    assert rates(twice) == pytest.approx([0.1, 0.1], rel=1e-2)


def test_models_own_dropout_is_rescaled_too(digits: Dataset) -> None:
    """Without a rate in the recipe the model's own ones are the rule's D_o; a rate without layers is refused."""
    pixels = keras.Input((8, 8, 1))
    model = keras.Model(pixels, layers.Dense(10)(layers.Dropout(0.8)(layers.Flatten()(pixels))), name="one")
    assert rates(prune(model, how(density=0.25), quiet(digits), PLAIN)) == pytest.approx([0.4])
    plain = keras.Model(pixels, layers.Dense(10)(layers.Flatten()(pixels)), name="plain")
    with pytest.raises(UsageError, match="plain has no Dropout layer"):
        prune(plain, how(dropout=0.5), quiet(digits), PLAIN)
