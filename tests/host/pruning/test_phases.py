"""Alternating phases: what rests does not move by a bit, densities count over both, epochs are shared."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pydantic
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.compress.prune import prune
from bramble.datasets.types import Dataset
from bramble.errors import RecipeError
from bramble.events import EpochEnded, Event
from bramble.held.masks import prunable
from bramble.pruning.phases import phases
from bramble.recipe import Prune
from bramble.training.lesson import Lesson
from bramble.work import Work
from bramble_zoo import lenet300

from ..conftest import GRAY8, quiet


def how(**changes: object) -> Prune:
    """A tenth, three epochs shared by two phases."""
    least = {"do": "prune", "density": 0.1, "epochs": 3, "batch_size": 32, "learning_rate": 1e-3}
    return Prune.model_validate(least | {"phases": "alternate", "remove_dead": False} | changes)


def small(digits: Dataset) -> Dataset:
    """The first 256 training pictures: eight batches of 32."""
    return Dataset(digits.labels, digits.train.take(np.arange(256)), digits.held_out, digits.test)


def weights(model: keras.Model, dense: bool) -> list[NDArray[np.float32]]:
    """All weights of the dense layers, or of all others: batch norm's statistics too."""
    chosen = [layer for layer in model.layers if isinstance(layer, layers.Dense) == dense]
    return [np.asarray(weight) for layer in chosen for weight in layer.weights]


def counts(model: keras.Model) -> list[int]:
    """Kernel weights that are not zero, by layer."""
    return [int(np.count_nonzero(np.asarray(layer.kernel))) for layer in prunable(model)]


def same(first: list[NDArray[np.float32]], second: list[NDArray[np.float32]]) -> bool:
    """Bit for bit."""
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def normalised() -> keras.Model:
    """Kernels of 54, 54, 1,536 and 160 weights, batch norm behind both convolutions."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((8, 8, 1))
    x = layers.BatchNormalization()(layers.Conv2D(6, 3, use_bias=False)(pixels))
    x = layers.BatchNormalization()(layers.DepthwiseConv2D(3, use_bias=False)(x))
    x = layers.Dense(16, name="hidden")(layers.Flatten()(x))
    return keras.Model(pixels, layers.Dense(10, name="last")(x))


class Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes the weights after each epoch."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.watched = model
        self.dense, self.others = [weights(model, True)], [weights(model, False)]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look."""
        self.dense.append(weights(self.watched, True))
        self.others.append(weights(self.watched, False))


@pytest.mark.slow
@pytest.mark.parametrize("regrow", [False, True])
def test_what_rests_does_not_move(digits: Dataset, regrow: bool) -> None:
    """Two epochs for dense layers and one for the rest, with penalties: each time the others are bit-identical.

    A tenth of 1,804 weights is left in the end, and layers are trainable as before.
    """
    model = normalised()
    watch, told = Epochs(model), list[Event]()
    work = Work(small(digits), GRAY8, 1, told.append)
    found = prune(model, how(rescale_dropout=False, l2=1e-3, regrow=regrow), work, Lesson(callbacks=(watch,)))
    assert same(watch.others[0], watch.others[1])
    assert same(watch.others[0], watch.others[2])
    assert same(watch.dense[2] if not regrow else weights(found, True), watch.dense[3])
    assert all(np.any(a != b) for a, b in zip(watch.others[2], watch.others[3], strict=True))
    assert all(np.any(a != b) for a, b in zip(watch.dense[0], watch.dense[1], strict=True))
    assert sum(counts(found)) == 180
    assert all(layer.trainable for layer in found.layers)
    epochs = [(event.epoch, event.epochs) for event in told if isinstance(event, EpochEnded)]
    assert epochs == [(1, 2), (2, 2), (1, 1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({"scope": "local"}, [5, 5, 154, 16]),
        ({"density": None, "densities": {"last": 0.5}}, [54, 54, 1536, 80]),
        ({"criterion": "taylor"}, None),
    ],
    ids=str,
)
def test_other_targets(digits: Dataset, settings: dict[str, object], left: list[int] | None) -> None:
    """Shares of each layer, and a criterion that needs gradients of frozen layers."""
    found = counts(prune(normalised(), how(epochs=2, **settings), quiet(small(digits)), Lesson()))
    assert found == left if left else sum(found) == 180


def test_the_longer_half_is_for_dense_layers() -> None:
    """Five epochs are three and two."""
    assert [phase.how.epochs for phase in phases(how(epochs=5), normalised())] == [3, 2]


def test_one_kind_is_refused() -> None:
    """Only dense layers, or only convolutions: told which."""
    with pytest.raises(RecipeError, match="lenet300 has only dense layers to prune"):
        phases(how(), lenet300.build((8, 8, 1), 10))
    pixels = keras.Input((8, 8, 1))
    bare = keras.Model(pixels, layers.GlobalAveragePooling2D()(layers.Conv2D(10, 3)(pixels)), name="bare")
    with pytest.raises(RecipeError, match="bare has only convolutions to prune") as caught:
        phases(how(), bare)
    assert caught.value.hint == 'use phases = "together"'


@pytest.mark.parametrize("epochs", [0, 1])
def test_two_phases_need_two_epochs(epochs: int) -> None:
    """Otherwise one of them would do nothing."""
    with pytest.raises(pydantic.ValidationError, match="give at least 2"):
        how(epochs=epochs)
