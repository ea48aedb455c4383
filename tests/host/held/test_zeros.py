"""Zeros of an earlier pruning: known by the kernels, held through whatever trains next."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.compress.distill import distill
from bramble.compress.prune import prune
from bramble.compress.slim import slim
from bramble.compress.train import train
from bramble.datasets.types import Dataset
from bramble.events import Event, Note
from bramble.held.masks import prunable
from bramble.held.zeros import alive
from bramble.recipe import Distill, Prune, Slim, Train
from bramble.training.fit import fit
from bramble.training.lesson import PLAIN, Lesson
from bramble.work import Work
from bramble_zoo import lenet300

from ..conftest import GRAY8, quiet
from ..nets import copied

ONCE = {"epochs": 1, "batch_size": 32}


def small(digits: Dataset) -> Dataset:
    """The first 256 training pictures."""
    return Dataset(digits.labels, digits.train.take(np.arange(256)), digits.held_out, digits.test)


def kernels(model: keras.Model) -> list[NDArray[np.float32]]:
    """What can be pruned."""
    return [np.asarray(layer.kernel) for layer in prunable(model)]


@pytest.fixture(scope="module")
def sparse(trained: keras.Model, digits: Dataset) -> keras.Model:
    """The digits model with a fifth of its 9,168 weights: 1,834; not to be changed."""
    how = Prune.model_validate({"do": "prune", "epochs": 0, "density": 0.2, "remove_dead": False})
    return prune(copied(trained), how, quiet(digits), PLAIN)


def dense(*kernels_: list[list[float]]) -> list[keras.Layer]:
    """Dense layers of these kernels."""
    made = []
    for kernel in kernels_:
        layer = layers.Dense(len(kernel[0]), use_bias=False)
        layer.build((None, len(kernel)))
        layer.kernel.assign(kernel)
        made.append(layer)
    return made


def test_what_lives_by_hand() -> None:
    """Zeros are an earlier pruning's, also in a kernel that is all zeros beside it."""
    first, second = alive(dense([[1.0, 0.0]], [[0.0], [0.0]]))
    assert (first.tolist(), second.tolist()) == ([[True, False]], [[False], [False]])


def test_an_initialisers_zeros_live() -> None:
    """A kernel that begins as zeros was not pruned: everything lives."""
    assert all(mask.all() for mask in alive(dense([[1.0, 2.0]], [[0.0], [0.0]])))


def test_a_small_layer_speaks_for_itself() -> None:
    """Four zeros of ten weights are many, though few beside the 2,000 of the other layer, which may be whole or not."""
    small_, kernel = [[0.0, 0.0, 0.0, 0.0, *[1.0] * 6]], np.ones((50, 40))
    whole, pruned = alive(dense(kernel.tolist(), small_))
    assert (np.count_nonzero(~whole), np.count_nonzero(~pruned)) == (0, 4)


def test_where_one_layer_counts_all_zeros_are_held() -> None:
    """A ranking over the whole model may take a single one of a layer's 200 weights: it stays removed too."""
    kernel = np.ones((20, 10))
    kernel[0, 0] = 0
    masks = alive(dense(kernel.tolist(), [[1.0, 0.0]]))
    assert [np.count_nonzero(~mask) for mask in masks] == [1, 1]


def test_zeros_of_a_small_pruned_layer_last(digits: Dataset) -> None:
    """LeNet-300's last layer at 60 %, 400 of all 76,000 weights: it has as many after another epoch."""
    keras.utils.set_random_seed(3)
    model = lenet300.build((8, 8, 1), 10)
    how = Prune.model_validate({"do": "prune", "epochs": 0, "densities": {"fc3": 0.6}, "remove_dead": False})
    found = train(prune(model, how, quiet(digits), PLAIN), Train(do="train", **ONCE), quiet(small(digits)))
    assert [np.count_nonzero(kernel == 0) for kernel in kernels(found)] == [0, 0, 400]


@pytest.mark.parametrize(("zeros", "held"), [(1, 0), (2, 2)])
def test_a_few_zeros_are_chance(zeros: int, held: int) -> None:
    """Of 200 weights one zero is less than a hundredth, two are not."""
    kernel = np.ones((20, 10))
    kernel[:zeros, 0] = 0
    (mask,) = alive(dense(kernel.tolist()))
    assert np.count_nonzero(~mask) == held


@pytest.mark.slow
def test_training_keeps_zeros_and_says_so(sparse: keras.Model, digits: Dataset) -> None:
    """After an epoch of Adam the zeros are the same ones, the others and the biases moved; it is told once."""
    told: list[Event] = []
    work = Work(small(digits), GRAY8, 1, told.append)
    found = train(copied(sparse), Train(do="train", **ONCE), work)
    for new, old in zip(kernels(found), kernels(sparse), strict=True):
        assert np.array_equal(new != 0, old != 0)
        assert np.any(new != old)
    notes = [event.text for event in told if isinstance(event, Note)]
    assert notes == ["7334 of 9168 weights are zeros of an earlier pruning and stay so (keep_zeros)"]


def test_a_dense_model_trains_in_full(trained: keras.Model, digits: Dataset) -> None:
    """Nothing is told where nothing was pruned."""
    told: list[Event] = []
    fit(copied(trained), Train(do="train", **ONCE), Work(small(digits), GRAY8, 1, told.append))
    assert not [event for event in told if isinstance(event, Note)]


def test_zeros_are_filled_on_request(sparse: keras.Model, digits: Dataset) -> None:
    """keep_zeros = false trains them again."""
    found = train(copied(sparse), Train(do="train", keep_zeros=False, **ONCE), quiet(small(digits)))
    assert sum(np.count_nonzero(kernel) for kernel in kernels(found)) > 6000


def test_distilling_keeps_zeros(sparse: keras.Model, trained: keras.Model, digits: Dataset) -> None:
    """A teacher fills none."""
    how = Distill(do="distill", teacher="t.keras", **ONCE)
    found = distill(copied(sparse), how, quiet(small(digits)), Lesson(copied(trained)))
    assert all(np.array_equal(a != 0, b != 0) for a, b in zip(kernels(found), kernels(sparse), strict=True))


def test_slimming_keeps_zeros(sparse: keras.Model, digits: Dataset) -> None:
    """With and without an epoch after it, the slimmer model has its zeros in the same places."""
    bare, tuned = (
        slim(copied(sparse), Slim(do="slim", ratio=0.5, **(ONCE | {"epochs": n})), quiet(small(digits)), PLAIN)
        for n in (0, 1)
    )
    assert all(np.array_equal(a != 0, b != 0) for a, b in zip(kernels(bare), kernels(tuned), strict=True))
    assert any(np.any(a != b) for a, b in zip(kernels(bare), kernels(tuned), strict=True))
    assert any(np.any(kernel == 0) for kernel in kernels(tuned))


def again(sparse: keras.Model, digits: Dataset, **changes: object) -> list[NDArray[np.float32]]:
    """The kernels after a second pruning."""
    how = Prune.model_validate({"do": "prune", "learning_rate": 1e-3, "remove_dead": False} | ONCE | changes)
    return kernels(prune(copied(sparse), how, quiet(small(digits)), PLAIN))


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["magnitude", "random", "taylor", "obd"])
def test_pruning_goes_on_from_the_sparser_state(sparse: keras.Model, digits: Dataset, criterion: str) -> None:
    """A twentieth of all 9,168 is 458; all of them lived before, whatever the criterion."""
    found = again(sparse, digits, density=0.05, criterion=criterion)
    assert sum(np.count_nonzero(kernel) for kernel in found) == 458
    assert all(np.all(old[new != 0] != 0) for new, old in zip(found, kernels(sparse), strict=True))


@pytest.mark.parametrize("settings", [{"density": 0.9}, {"densities": "all"}], ids=str)
def test_a_density_above_what_lives_changes_nothing(
    sparse: keras.Model, digits: Dataset, settings: dict[str, object]
) -> None:
    """Zeros stay, and nothing is pruned."""
    if "densities" in settings:
        settings = {"densities": dict.fromkeys((layer.name for layer in prunable(sparse)), 1.0)}
    found = again(sparse, digits, **settings)
    assert all(np.array_equal(new != 0, old != 0) for new, old in zip(found, kernels(sparse), strict=True))


def test_pruning_again_may_begin_anew(sparse: keras.Model, digits: Dataset) -> None:
    """With keep_zeros = false earlier zeros rank like any weight: by chance some come back."""
    found = again(sparse, digits, density=0.1, criterion="random", keep_zeros=False, epochs=3)
    assert any(np.any(new[old == 0] != 0) for new, old in zip(found, kernels(sparse), strict=True))
