"""Han's ablations of unstructured pruning: survivors initialised anew, weights drawn instead of ranked."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from keras import layers

from bramble.compress.prune import prune
from bramble.datasets.types import Dataset
from bramble.training.lesson import PLAIN

from ..conftest import quiet
from ..nets import copied
from .test_prune import biases, how, kernels


@pytest.mark.slow
def test_reinitialised_survivors(trained: keras.Model, digits: Dataset) -> None:
    """The same places as by magnitude, other values with the initialiser's spread; biases stay."""
    by_size = prune(copied(trained), how(density=0.5), quiet(digits), PLAIN)
    fresh = prune(copied(trained), how(density=0.5, survivors="reinitialise"), quiet(digits), PLAIN)
    for new, old, kernel in zip(kernels(fresh), kernels(by_size), kernels(trained), strict=True):
        stays = old != 0
        assert np.array_equal(new != 0, stays)
        assert not np.any(new[stays] == kernel[stays])
        receptive = math.prod(kernel.shape[:-2])
        glorot = math.sqrt(2 / (receptive * (kernel.shape[-2] + kernel.shape[-1])))
        assert new[stays].std() == pytest.approx(glorot, rel=0.2)
    assert all(np.array_equal(a, b) for a, b in zip(biases(fresh), biases(trained), strict=True))


def test_reinitialising_is_not_the_first_initialisation(digits: Dataset) -> None:
    """A model that is as it was initialised gets other numbers, its depthwise layer too; one seed the same ones."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((8, 8, 1))
    x = layers.DepthwiseConv2D(3)(layers.Conv2D(2, 3)(pixels))
    model = keras.Model(pixels, layers.Dense(10)(layers.Flatten()(x)))
    first = kernels(model)
    settings = how(density=1.0, survivors="reinitialise")
    once, again = (kernels(prune(model, settings, quiet(digits), PLAIN)) for _ in range(2))
    assert not any(np.any(a == b) for a, b in zip(first, once, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))


def test_probabilistic_choice(trained: keras.Model, digits: Dataset) -> None:
    """As many stay, among them smaller ones than by magnitude, yet larger in the mean than chance."""
    by_size, drawn, random = (
        np.concatenate([kernel.ravel() for kernel in kernels(prune(copied(trained), one, quiet(digits), PLAIN))])
        for one in (how(), how(probabilistic=True), how(criterion="random"))
    )
    sizes = [np.abs(one[one != 0]) for one in (by_size, drawn, random)]
    assert [len(size) for size in sizes] == [917] * 3
    assert sizes[1].min() < sizes[0].min()
    assert sizes[0].mean() > sizes[1].mean() > 1.2 * sizes[2].mean()
