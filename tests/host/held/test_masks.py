"""Masks: what is kept by hand, and zeros that stay zero through real training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from bramble.datasets.types import Dataset
from bramble.held.masks import Masked, Ramp, density_at, draw, keep_highest, masked, prunable, put
from bramble.recipe import Train
from bramble.training.fit import fit
from bramble.training.lesson import Lesson

from ..conftest import quiet

SCORES = [np.array([[0.9, 0.1]]), np.array([0.5, 0.3, 0.7])]


def small() -> keras.Model:
    """Every kind of layer that can be pruned, with a constraint of its own on the first."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((8, 8, 1))
    x = layers.Conv2D(3, 3, name="conv", kernel_constraint=keras.constraints.MaxNorm(5.0))(pixels)
    x = layers.BatchNormalization()(layers.DepthwiseConv2D(3, name="depthwise")(x))
    return keras.Model(pixels, layers.Dense(10, name="dense")(layers.Flatten()(x)))


def test_keep_highest_over_all_by_hand() -> None:
    """Two of five: 0.9 and 0.7, wherever they are, in the shapes of the scores."""
    first, second = keep_highest(SCORES, 0.4, "global")
    assert first.tolist() == [[True, False]]
    assert second.tolist() == [False, False, True]


def test_keep_highest_in_each_by_hand() -> None:
    """Two thirds of two is one (1.33), of three is two."""
    first, second = keep_highest(SCORES, 2 / 3, "local")
    assert first.tolist() == [[True, False]]
    assert second.tolist() == [True, False, True]


@pytest.mark.parametrize("scope", ["global", "local"])
def test_ties_keep_exactly_the_share(scope: str) -> None:
    """Of ten equal scores a share of 0.3 keeps three, no more."""
    (mask,) = keep_highest([np.ones(10)], 0.3, scope)
    assert mask.sum() == 3


def test_at_least_one_is_kept() -> None:
    """A share that rounds to none keeps the best one: of each layer, or of all together."""
    assert [mask.sum() for mask in keep_highest(SCORES, 0.01, "local")] == [1, 1]
    assert [mask.tolist() for mask in keep_highest(SCORES, 0.01, "global")] == [[[True, False]], [False] * 3]


def test_density_of_one_keeps_everything() -> None:
    """Nothing goes."""
    assert all(mask.all() for scope in ("global", "local") for mask in keep_highest(SCORES, 1.0, scope))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.01, 1))
def test_keep_highest_is_a_sort(scores: list[float], density: float) -> None:
    """As many are kept as the share says, and what is kept sums to what the sorted scores' top sums to."""
    (mask,) = keep_highest([np.array(scores)], density, "global")
    count = max(1, round(density * len(scores)))
    assert mask.sum() == count
    assert sorted(np.array(scores)[mask]) == sorted(scores)[len(scores) - count :]


@pytest.mark.parametrize(
    ("ramp", "half"), [("one-shot", 0.2), ("linear", 0.2 + 0.8 / 2), ("cubic", 0.2 + 0.8 / 8)], ids=str
)
def test_density_of_a_ramp_by_hand(ramp: str, half: float) -> None:
    """To 0.2: from all (one-shot: at once) through the middle to the end."""
    found = [density_at(done, 0.2, ramp) for done in (0.0, 0.5, 1.0)]
    assert found == pytest.approx([0.2 if ramp == "one-shot" else 1.0, half, 0.2])


def test_draw_is_seeded() -> None:
    """One seed draws the same, another something else."""
    first, again, other = (draw([np.ones(50)], seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_draw_prefers_high_scores() -> None:
    """One of three with scores 1, 2, 4 is drawn in 1/7, 2/7 and 4/7 of 4,000 trials (deviation at most 0.008)."""
    drawn = [int(np.argmax(draw([np.array([1.0, 2.0, 4.0])], seed)[0])) for seed in range(4000)]
    assert np.bincount(drawn) / 4000 == pytest.approx([1 / 7, 2 / 7, 4 / 7], abs=0.03)


def test_draw_never_takes_what_scores_nothing() -> None:
    """A score of 0 (a weight that is gone) loses against any other."""
    for seed in range(200):
        assert int(np.argmax(draw([np.array([0.0, 1e-6])], seed)[0])) == 1


def test_what_can_be_pruned() -> None:
    """Convolution, depthwise and dense kernels, in order; batch norm is not."""
    assert [layer.name for layer in prunable(small())] == ["conv", "depthwise", "dense"]


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes after every optimiser step whether all that is masked is zero."""

    def __init__(self, held: list[Masked], masks: list[Any]) -> None:
        super().__init__()
        self.held, self.masks, self.zero = held, masks, list[bool]()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the kernels."""
        kernels = [np.asarray(one.kernel) for one in self.held]
        self.zero.append(all(np.all(k[~m] == 0) for k, m in zip(kernels, self.masks, strict=True)))


@pytest.mark.slow
def test_zeros_stay_zero_while_adam_steps(digits: Dataset) -> None:
    """After each of 13 steps with Adam, momentum included, masked weights are exactly 0; all others move."""
    model = small()
    kept = [np.random.default_rng(3).random(layer.kernel.shape) < 0.5 for layer in prunable(model)]
    how = Train(do="train", epochs=1, batch_size=100)
    fit(model, how, quiet(digits))
    with masked(prunable(model)) as held:
        put(held, kept)
        before = [np.asarray(one.kernel) for one in held]
        bias = np.asarray(model.get_layer("dense").bias)
        watch = Watch(held, kept)
        fit(model, how, quiet(digits), Lesson(callbacks=(watch,)))
    assert watch.zero == [True] * 13
    for one, old, mask in zip(held, before, kept, strict=True):
        assert np.all((np.asarray(one.kernel) != old) == mask)
    assert np.all(np.asarray(model.get_layer("dense").bias) != bias)
    fit(model, how.model_copy(update={"keep_zeros": False}), quiet(digits))
    assert all(np.any(np.asarray(one.kernel)[~mask] != 0) for one, mask in zip(held, kept, strict=True))


def test_put_zeroes_at_once_and_can_be_put_again() -> None:
    """Masks begin as ones; what is put is the variable, and the kernel is zero there before any step."""
    layer = small().get_layer("dense")
    kernel = np.asarray(layer.kernel)
    with masked([layer]) as held:
        assert np.all(np.asarray(held[0].mask) == 1)
        mask = np.zeros(kernel.shape, bool)
        mask[:, 3] = True
        put(held, [mask])
        assert np.array_equal(np.asarray(held[0].mask), mask)
    assert np.array_equal(np.asarray(layer.kernel), kernel * mask)


def test_constraints_come_back() -> None:
    """A layer's own constraint, or none, is there again afterwards, also after an error."""
    model = small()
    own = [layer.kernel.constraint for layer in prunable(model)]
    assert [constraint is None for constraint in own] == [False, True, True]
    with masked(prunable(model)) as held:
        assert not any(one.kernel.constraint is constraint for one, constraint in zip(held, own, strict=True))
    with pytest.raises(RuntimeError, match="stop"), masked(prunable(model)):
        raise RuntimeError("stop")
    assert all(layer.kernel.constraint is constraint for layer, constraint in zip(prunable(model), own, strict=True))


def test_a_layers_own_constraint_holds_under_the_mask() -> None:
    """Non-negative weights stay so while they are masked: (−2, 3, 4) behind (1, 1, 0) become (0, 3, 0)."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, kernel_constraint=keras.constraints.NonNeg())])
    with masked(model.layers) as held:
        put(held, [np.array([[True], [True], [False]])])
        found = held[0].kernel.constraint(keras.ops.array([[-2.0], [3.0], [4.0]]))
    assert np.asarray(found).ravel().tolist() == [0.0, 3.0, 0.0]


def test_ramp_from_a_sparser_start() -> None:
    """From 0.5 to 0.1, cubic: 0.1 + 0.4·(1/2)³ half way."""
    assert [density_at(done, 0.1, "cubic", 0.5) for done in (0.0, 0.5, 1.0)] == pytest.approx([0.5, 0.15, 0.1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "every", "told"),
    [(10, 3, [0.0, 0.3, 0.6, 0.9, 1.0]), (4, 1, [0.0, 0.25, 0.5, 0.75, 1.0]), (0, 5, [0.0, 1.0]), (20, 8, [0.0, 0.4])],
)
def test_ramp_updates(digits: Dataset, steps: int, every: int, told: list[float]) -> None:
    """In 13 steps of training: at the start, at every so many, and at the ramp's end, never after it."""
    found: list[float] = []
    how = Train(do="train", epochs=1, batch_size=100)
    fit(small(), how, quiet(digits), Lesson(callbacks=(Ramp(found.append, steps, every),)))
    assert found == pytest.approx(told)
