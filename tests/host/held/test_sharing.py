"""Shared values: the groups by hand, gradients against sums written out, and what keeps them through a training."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.compress.train import train
from bramble.datasets.types import Dataset
from bramble.events import Event, Note
from bramble.held.masks import prunable
from bramble.held.seen import own_kernel, seen_through
from bramble.held.sharing import Groups, alike, groups_of, share, shared_groups, sharing
from bramble.recipe import Train
from bramble.work import Work

from ..conftest import GRAY8, quiet
from ..nets import copied

HAND = Groups(np.array([[0, 1, 1], [2, 0, 2]], np.int32), np.array([[1, -1, 1], [0, -1, 1]], np.float32), 4)


def small(digits: Dataset) -> Dataset:
    """The first 256 training pictures."""
    return Dataset(digits.labels, digits.train.take(np.arange(256)), digits.held_out, digits.test)


def coded(shape: tuple[int, ...], values: int, seed: int = 1, zeros: float = 0.0) -> NDArray[np.float32]:
    """A kernel of so many random values, some of it zeros."""
    generator = np.random.default_rng(seed)
    kernel = generator.normal(size=values).astype(np.float32)[generator.integers(0, values, shape)]
    return np.where(generator.random(shape) < zeros, 0, kernel).astype(np.float32)


def test_groups_by_hand() -> None:
    """Six weights, four groups, the last one empty: kernel, means, first members, counts."""
    assert HAND.spread(np.array([5.0, 7.0, 9.0, 1.0])).tolist() == [[5.0, -7.0, 7.0], [0.0, -5.0, 9.0]]
    assert HAND.means(np.array([[1.0, 2.0, 4.0], [8.0, -3.0, 6.0]])).tolist() == [2.0, 1.0, 6.0, 0.0]
    assert HAND.firsts().tolist() == [0, 1, 5, 0]
    assert HAND.members().tolist() == [2, 2, 1, 0]


def test_members_begin_and_end_as_their_first_one() -> None:
    """Members that differ are levelled before a training and after it; signs and zeros are theirs."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3, use_bias=False)])
    model.set_weights([np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])])
    with sharing(model, {model.layers[0].name: HAND}):
        assert np.asarray(model.layers[0].kernel).tolist() == [[1.0, 2.0, -2.0], [0.0, -1.0, 6.0]]
        own_kernel(model.layers[0]).assign(np.arange(6.0).reshape(2, 3))
    assert model.get_weights()[0].tolist() == [[0.0, 1.0, -1.0], [0.0, 0.0, 5.0]]


def test_members_get_the_sum_of_their_gradients() -> None:
    """One step of plain descent on Σ c·w: the change of each member is its group's Σ sign·c, times its sign."""
    factors = np.arange(1.0, 7.0, dtype=np.float32).reshape(2, 3)  # dL/dw
    values = np.array([0.5, -0.25, 2.0, 0.0])
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3, use_bias=False)])
    model.set_weights([HAND.spread(values)])
    model.compile(keras.optimizers.SGD(1.0), loss=lambda target, answer: keras.ops.sum(target * answer))
    with sharing(model, {model.layers[0].name: HAND}):
        for row in range(2):  # pictures that are unit vectors: the loss is one row of Σ c·w
            model.train_on_batch(np.eye(2, dtype=np.float32)[[row]], factors[[row]])
    sums = np.zeros(4)
    for place in np.ndindex(2, 3):
        sums[HAND.index[place]] += HAND.sign[place] * factors[place]
    assert np.allclose(model.get_weights()[0], HAND.spread(values - sums))


@pytest.mark.parametrize("kind", ["conv", "depthwise", "dense"])
def test_gradients_against_a_slow_reference(kind: str) -> None:
    """The kernel's own gradient, summed by a loop over groups, is what the shared kernel of every layer gets."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((6, 6, 2))
    x = layers.DepthwiseConv2D(3, name="depthwise")(layers.Conv2D(3, 3, name="conv")(pixels))
    model = keras.Model(pixels, layers.Dense(2, name="dense")(layers.Flatten()(x)))
    layer = model.get_layer(kind)
    own_kernel(layer).assign(coded(own_kernel(layer).shape, 3))
    groups = groups_of(np.asarray(own_kernel(layer)))
    assert groups is not None
    pictures = np.random.default_rng(1).normal(size=(5, 6, 6, 2)).astype(np.float32)
    model.compile(keras.optimizers.SGD(1.0), loss="mse")

    def moved(one: keras.Model) -> NDArray[np.float32]:
        before = np.asarray(own_kernel(one.get_layer(kind)))
        one.compile(keras.optimizers.SGD(0.125), loss="mse")
        one.train_on_batch(pictures, np.ones((5, 2), np.float32))
        return before - np.asarray(own_kernel(one.get_layer(kind)))

    alone = moved(copied(model))
    expected = np.zeros_like(alone)
    for group in range(groups.count):
        mine = groups.index == group
        expected += groups.sign * mine * (groups.sign * mine * alone).sum()
    with sharing(model, {kind: groups}):
        found_ = moved(model)
    assert np.allclose(found_, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("values", "size", "shared"), [(2, 16, True), (2, 15, False), (16, 20, True), (19, 20, False)])
def test_what_counts_as_shared(values: int, size: int, shared: bool) -> None:
    """At least 16 weights, and at most nine tenths as many values."""
    kernel = np.resize(np.linspace(0.1, 1.0, values, dtype=np.float32), (size, 1))
    groups = groups_of(kernel)
    assert (groups is not None) is shared
    if groups is not None:
        assert groups.count == values
        assert np.array_equal(groups.spread(np.unique(kernel)), kernel)


def test_kernels_that_only_look_shared() -> None:
    """A constant one, one of zeros and one, and one that was stored in 16 bits are not; 256 values of 16 bits are."""
    rounded = np.random.default_rng(1).normal(size=(300, 300)).astype(np.float16).astype(np.float32)
    assert len(np.unique(rounded)) < 0.3 * rounded.size
    for kernel in (np.ones((8, 8), np.float32), np.eye(20, dtype=np.float32), rounded):
        assert groups_of(kernel) is None
    assert groups_of(np.resize(rounded[0, :256], (300, 300))) is not None
    assert groups_of(np.random.default_rng(1).normal(size=(300, 300)).astype(np.float32)) is None


def test_plus_and_minus_are_one_value() -> None:
    """Of a kernel of ±a and zeros the groups are one, its zeros in none."""
    kernel = np.resize(np.array([0.5, -0.5, 0.0], np.float32), (6, 6))
    groups = groups_of(kernel)
    assert groups is not None
    assert (groups.count, groups.members().tolist()) == (1, [24])
    assert np.array_equal(groups.spread(np.array([0.5])), kernel)


@pytest.fixture(scope="module")
def clustered(trained: keras.Model) -> keras.Model:
    """The digits model with five values and zeros in every kernel; not to be changed."""
    model = copied(trained)
    for layer in prunable(model):
        layer.kernel.assign(0.1 * coded(layer.kernel.shape, 5, zeros=0.5))
    return model


@pytest.mark.slow
def test_training_keeps_shared_values_and_says_so(clustered: keras.Model, digits: Dataset) -> None:
    """After an epoch of Adam with a penalty each kernel has five other values in the same places; told once."""
    told: list[Event] = []
    how = Train(do="train", epochs=1, batch_size=32, l2=1e-3, patience=1)
    made = train(copied(clustered), how, Work(small(digits), GRAY8, 1, told.append))
    for old, new in zip(prunable(clustered), prunable(made), strict=True):
        before, after = np.asarray(old.kernel), np.asarray(new.kernel)
        places = {value: before == value for value in np.unique(before)}
        assert len(places) == 6
        assert all(len(np.unique(after[place])) == 1 for place in places.values())
        assert np.array_equal(before == 0, after == 0)
        assert np.any(before != after)
        assert type(new) is type(old)
    notes = [event.text for event in told if isinstance(event, Note)]
    names = ", ".join(f"{layer.name} 5" for layer in prunable(clustered))
    assert f"shared values of an earlier stage stay shared (keep_shared): {names}" in notes
    assert sum("keep_shared" in note for note in notes) == 1


def test_shared_values_part_on_request(clustered: keras.Model, digits: Dataset) -> None:
    """With keep_shared = false each weight is its own again; the zeros are another matter."""
    how = Train(do="train", epochs=1, batch_size=32, keep_shared=False)
    made = train(copied(clustered), how, quiet(small(digits)))
    assert not shared_groups(prunable(made))
    assert all(np.any(np.asarray(layer.kernel) == 0) for layer in prunable(made))


def test_rounding_outside_sees_what_is_shared() -> None:
    """Entered later stands nearer to the variable: round(share(w)), whose gradient is shared."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3, use_bias=False)])
    model.set_weights([HAND.spread(np.array([0.4, 1.6, 2.7, 0.0]))])
    layer = model.layers[0]
    with seen_through([layer], [keras.ops.round]), sharing(model, {layer.name: HAND}):
        seen = np.asarray(layer.kernel)
    assert seen.tolist() == [[0.0, -2.0, 2.0], [0.0, 0.0, 3.0]]


def test_gradients_of_a_group_are_summed() -> None:
    """The kernel's values stay; its gradient is, at each weight, the sum over all of the same value."""
    import tensorflow as tf

    kernel = tf.constant([[1.0, 2.0], [2.0, 1.0], [1.0, 3.0]])
    groups = alike(kernel.numpy())
    factors = tf.constant([[1.0, 10.0], [20.0, 2.0], [3.0, 7.0]])
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        seen = share(groups)(kernel)
        total = tf.reduce_sum(seen * factors)
    assert np.array_equal(seen, kernel)
    assert tape.gradient(total, kernel).numpy().tolist() == [[6.0, 30.0], [30.0, 6.0], [6.0, 7.0]]
