"""Masks whose weights live on: by hand, and through whole prunings."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pydantic
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.compress.prune import prune
from bramble.datasets.types import Dataset, Images
from bramble.held.masks import prunable, set_masks
from bramble.held.seen import own_kernel
from bramble.pruning.regrow import regrowing, with_margin
from bramble.recipe import Prune
from bramble.training.lesson import PLAIN, Lesson

from ..conftest import quiet
from ..nets import copied


def how(**changes: object) -> Prune:
    """Two epochs to a tenth."""
    least = {"do": "prune", "density": 0.1, "epochs": 2, "batch_size": 32, "learning_rate": 1e-2, "regrow": True}
    return Prune.model_validate(least | {"remove_dead": False} | changes)


def small(digits: Dataset) -> Dataset:
    """The first 256 training pictures: eight batches of 32."""
    return Dataset(digits.labels, digits.train.take(np.arange(256)), digits.held_out, digits.test)


def kernels(model: keras.Model) -> list[NDArray[np.float32]]:
    """The variables that can be pruned."""
    return [np.asarray(own_kernel(layer)) for layer in prunable(model)]


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes the kernels, and what the forward pass sees of them, after each step."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.watched = model
        self.own, self.seen = list[list[NDArray[np.float32]]](), list[list[NDArray[np.float32]]]()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look."""
        self.own.append(kernels(self.watched))
        self.seen.append([np.asarray(layer.kernel) for layer in prunable(self.watched)])

    def densities(self) -> list[int]:
        """How many weights were seen at each step."""
        return [sum(int(np.count_nonzero(kernel)) for kernel in step) for step in self.seen]

    def came_back(self, first: int, last: int) -> int:
        """How many weights were unseen at one step and seen at the next, between two steps."""
        pairs = zip(self.seen[first:last], self.seen[first + 1 : last + 1], strict=True)
        return sum(int(np.sum((a == 0) & (b != 0))) for old, new in pairs for a, b in zip(old, new, strict=True))


def test_margin_by_hand() -> None:
    """Kept weights count a tenth more: 1.05 does not take the place of a kept 1.0, 1.2 does."""
    (found,) = with_margin([np.array([1.0, 1.05, 1.2])], [np.array([True, False, False])])
    assert found.tolist() == pytest.approx([1.1, 1.05, 1.2])


def test_zeros_come_in_the_end() -> None:
    """Inside, the kernel is whole and its view masked; outside, it is masked itself, by plain layers."""
    dense = layers.Dense(1, use_bias=False)
    dense.build((None, 2))
    dense.kernel.assign([[3.0], [4.0]])
    with regrowing([dense]) as held:
        set_masks(held, [np.array([[True], [False]])])
        assert np.asarray(own_kernel(dense)).ravel().tolist() == [3.0, 4.0]
        assert np.asarray(dense.kernel).ravel().tolist() == [3.0, 0.0]
    assert np.asarray(dense.kernel).ravel().tolist() == [3.0, 0.0]
    assert type(dense) is layers.Dense


@pytest.mark.slow
def test_a_pruned_weight_comes_back(digits: Dataset) -> None:
    """Two weights for one pixel that is always white, one may stay: the labels say it is the smaller one.

    The first class's weight is larger, but all pictures are of the second: its weight grows behind its mask until it
    takes the other's place; without regrowth it never can.
    """
    images = Images(np.full((64, 1, 1, 1), 255, np.uint8), np.ones(64, np.int64))
    data = Dataset(("0", "1"), images, images, images)
    found = {}
    for regrow in (True, False):
        pixels = keras.Input((1, 1, 1))
        model = keras.Model(pixels, layers.Dense(2, use_bias=False)(layers.Flatten()(pixels)))
        model.set_weights([np.array([[0.3, 0.2]])])
        settings = how(density=0.5, ramp="one-shot", batch_size=8, epochs=5, schedule="constant", regrow=regrow)
        found[regrow] = prune(model, settings, quiet(data), PLAIN).get_weights()[0][0]
    assert (found[True][0], found[False][1]) == (0, 0)
    assert found[True][1] > 0.3 > found[False][0]


@pytest.fixture(scope="module")
def watched(trained: keras.Model, digits: Dataset) -> tuple[Watch, keras.Model]:
    """Sixteen steps: the ramp over eight, masks at rest from the thirteenth; and the model after them."""
    model = copied(trained)
    watch = Watch(model)
    settings = how(ramp_share=0.5, rescale_dropout=False, l2=1e-4)
    return watch, prune(model, settings, quiet(small(digits)), Lesson(callbacks=(watch,)))


def test_density_is_exact_all_the_time(watched: tuple[Watch, keras.Model]) -> None:
    """Cubic over eight steps, then a tenth of 9,168 to the end, seen and left."""
    watch, model = watched
    cubic = [0.1 + 0.9 * (1 - step / 8) ** 3 for step in range(8)]
    assert watch.densities() == pytest.approx([share * 9168 for share in (*cubic, *[0.1] * 8)], abs=1)
    assert sum(np.count_nonzero(kernel) for kernel in kernels(model)) == 917


def test_weights_come_back_until_the_rest(watched: tuple[Watch, keras.Model]) -> None:
    """Weights return after the ramp too, up to the update after step 13 (0.8 · 16); none later."""
    watch, _ = watched
    assert watch.came_back(8, 13) > 0
    assert watch.came_back(13, 15) == 0


def test_all_weights_learn_and_zeros_remain(watched: tuple[Watch, keras.Model]) -> None:
    """Unseen weights move at the last step too; what is left is what was seen, on plain layers."""
    watch, model = watched
    for before, after, seen, left in zip(watch.own[-2], watch.own[-1], watch.seen[-1], kernels(model), strict=True):
        assert np.mean((before != after)[seen == 0]) > 0.5
        assert np.array_equal(left, np.where(seen != 0, after, 0))
    assert [type(layer).__module__.partition(".")[0] for layer in model.layers] == ["keras"] * len(model.layers)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"criterion": "taylor"}, {"scope": "local"}, {"probabilistic": True}], ids=str)
def test_other_ways_to_rank_reach_the_density(
    trained: keras.Model, digits: Dataset, settings: dict[str, object]
) -> None:
    """With a teacher, however ranked, a tenth stays, over all or in each layer."""
    found = prune(copied(trained), how(epochs=1, **settings), quiet(small(digits)), Lesson(copied(trained)))
    counts = [int(np.count_nonzero(kernel)) for kernel in kernels(found)]
    assert counts == [14, 461, 410, 32] if "scope" in settings else sum(counts) == 917


def test_earlier_zeros_may_come_back(trained: keras.Model, digits: Dataset) -> None:
    """A sparser model regrows to the density asked for, from zeros."""
    sparse = prune(copied(trained), how(density=0.1, epochs=0, regrow=False), quiet(digits), PLAIN)
    found = prune(copied(sparse), how(density=0.2), quiet(small(digits)), PLAIN)
    assert sum(np.count_nonzero(kernel) for kernel in kernels(found)) == 1834


@pytest.mark.parametrize("changes", [{"epochs": 0}, {"survivors": "reinitialise"}, {"criterion": "random"}], ids=str)
def test_what_cannot_regrow_is_refused(changes: dict[str, object]) -> None:
    """Without training, from fresh weights or by lot nothing comes back: said, not ignored."""
    with pytest.raises(pydantic.ValidationError, match="prune: regrow"):
        how(**changes)
