"""Equalization by hand, on every hard little graph, and where it must leave layers alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from bramble.quantization.equalize import equalize, pairs
from bramble.quantization.fold import fold
from bramble.quantization.grid import on_grid
from bramble.quantization.plain import plain

from ..nets import scrambled
from .graphs import BODIES, around, pictures


def two(between: Any = None, first: Any = None, second: Any = None) -> keras.Model:
    """8 x 8 x 3 → "one" → what is between → "two"."""
    pixels = keras.Input((8, 8, 3), name="pixels")
    x = (first or layers.Conv2D(4, 3, name="one"))(pixels)
    x = between(x) if between else x
    return scrambled(keras.Model(pixels, (second or layers.Conv2D(5, 2, name="two"))(x)))


def names(model: keras.Model) -> list[tuple[str, str]]:
    """The pairs of a model."""
    return [(one.name, other.name) for one, other in pairs(model)]


def test_by_hand() -> None:
    """Ranges (4, 1) and (1, 4): s = (2, 1/2), both become (2, 2); the bias goes with its channel."""
    rows = keras.Input((1,))
    model = keras.Model(rows, layers.Dense(1, name="two")(layers.Dense(2, activation="relu", name="one")(rows)))
    model.set_weights([np.array([[4.0, -1.0]]), np.array([6.0, 6.0]), np.array([[-1.0], [4.0]]), np.array([3.0])])
    made = equalize(plain(model))
    kernel, bias = made.get_layer("one").get_weights()
    assert kernel.tolist() == [[2.0, -2.0]]
    assert bias.tolist() == [3.0, 12.0]
    assert made.get_layer("two").get_weights()[0].tolist() == [[-2.0], [2.0]]
    assert made.get_layer("two").get_weights()[1].tolist() == [3.0]


@pytest.mark.parametrize("kind", BODIES)
def test_answers_stay(kind: str) -> None:
    """The float function is the same to 1e-5, though weights moved: "hidden" and "out" are a pair in every graph."""
    graph = fold(plain(around(BODIES[kind])))
    made = equalize(graph)
    before, after = np.asarray(graph(pictures())), np.asarray(made(pictures()))
    assert np.abs(before - after).max() < 1e-5 * np.abs(before).max()
    assert ("hidden", "out") in names(graph)
    assert not np.allclose(graph.get_layer("out").kernel, made.get_layer("out").kernel)


BETWEEN: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda x: x,
    "relu": layers.ReLU(),
    "relu as activation": layers.Activation("relu"),
    "leaky": layers.LeakyReLU(0.2),
    "padding and pooling": lambda x: layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(layers.ReLU()(x))),
    "average": layers.AveragePooling2D(2),
}


@pytest.mark.parametrize("kind", BETWEEN)
def test_what_scales_through(kind: str) -> None:
    """These parts give s·f(x) for s·x: ranges of the two layers become equal, the answers stay."""
    model = two(BETWEEN[kind])
    made = equalize(model)
    given = np.abs(np.asarray(made.get_layer("one").kernel)).max((0, 1, 2))
    taken = np.abs(np.asarray(made.get_layer("two").kernel)).max((0, 1, 3))
    assert np.allclose(given, taken, rtol=1e-5)
    assert np.allclose(model(pictures()), made(pictures()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (layers.DepthwiseConv2D(3, depth_multiplier=2, name="one"), layers.Conv2D(5, 2, name="two")),
        (layers.Conv2D(6, 3, name="one"), layers.DepthwiseConv2D(3, depth_multiplier=2, name="two")),
        (layers.Conv2DTranspose(4, 3, name="one"), layers.Conv2DTranspose(5, 2, name="two")),
        (layers.Conv2D(4, 3, name="one", use_bias=False), layers.Dense(5, name="two")),
    ],
)
def test_kinds_of_kernels(first: Any, second: Any) -> None:
    """Depthwise, transposed, without bias, dense on pixels: the same answers, other weights."""
    model = two(layers.ReLU(), first.from_config(first.get_config()), second.from_config(second.get_config()))
    made = equalize(model)
    assert names(model) == [("one", "two")]
    assert not np.allclose(model.get_layer("one").kernel, made.get_layer("one").kernel)
    assert np.allclose(model(pictures()), made(pictures()), rtol=1e-4, atol=1e-5)


def test_flatten_repeats_channels() -> None:
    """Behind a flatten each channel is read at 36 places; its range there is the largest of them."""
    model = two(lambda x: layers.Flatten()(layers.ReLU()(x)), second=layers.Dense(3, name="two"))
    made = equalize(model)
    given = np.abs(np.asarray(made.get_layer("one").kernel)).max((0, 1, 2))
    taken = np.abs(np.asarray(made.get_layer("two").kernel)).reshape(36, 4, 3).max((0, 2))
    assert np.allclose(given, taken, rtol=1e-5)
    assert np.allclose(model(pictures()), made(pictures()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "between",
    [
        layers.ReLU(6.0),
        layers.Activation("relu6"),
        layers.ReLU(threshold=0.5),
        layers.Activation("tanh"),
        layers.Softmax(),
        layers.BatchNormalization(),
    ],
)
def test_what_does_not_scale(between: Any) -> None:
    """A clip at 6 is another clip once channels are scaled; curves and norms likewise. No pair."""
    assert names(two(between.from_config(between.get_config()))) == []


def test_other_readers_and_calls() -> None:
    """A tensor that is read twice, an output of the model, a layer called twice, a grouped one: no pairs."""
    pixels = keras.Input((8, 8, 4), name="pixels")
    one, again = layers.Conv2D(4, 1, name="one"), layers.Conv2D(4, 1, name="again")
    x = one(pixels)
    forked = keras.Model(pixels, layers.Add()([layers.Conv2D(4, 1)(x), x]))
    shown = keras.Model(pixels, [x, layers.Conv2D(4, 1)(x)])
    twice = keras.Model(pixels, again(layers.ReLU()(again(pixels))))
    parts = keras.Model(pixels, layers.Conv2D(4, 1, groups=2)(layers.Conv2D(4, 1)(pixels)))
    assert [names(model) for model in (forked, shown, twice, parts)] == [[], [], [], []]


def test_zeros_and_still_layers() -> None:
    """Pruned weights stay 0, a dead channel stays as it is, and so does a layer that is to stand still."""
    model = two(layers.ReLU())
    kernel, bias = model.get_layer("one").get_weights()
    kernel[0] = 0.0
    kernel[..., 2] = 0.0
    model.get_layer("one").set_weights([kernel, bias])
    made = equalize(model)
    assert ((np.asarray(made.get_layer("one").kernel) == 0) == (kernel == 0)).all()
    old, new = (np.asarray(one.get_layer("two").kernel) for one in (model, made))
    assert np.array_equal(old[:, :, 2], new[:, :, 2])
    assert made.get_layer("one").get_weights()[1][2] == bias[2]
    left = equalize(model, still=["two"])
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), left.get_weights(), strict=True))


def test_chain_settles() -> None:
    """Along three layers every range meets its neighbour's, though each pair undoes a little of the last one."""
    x = pixels = keras.Input((6, 6, 2))
    for number in range(3):
        x = layers.DepthwiseConv2D(3, padding="same", name=f"deep{number}")(layers.Conv2D(5, 1, name=f"c{number}")(x))
    model = scrambled(keras.Model(pixels, x))
    made = equalize(model)
    for one, other in pairs(made):
        first, second = np.abs(np.asarray(one.kernel)), np.abs(np.asarray(other.kernel))
        given = first.max((0, 1, 3)) if isinstance(one, layers.DepthwiseConv2D) else first.max((0, 1, 2))
        assert np.allclose(given, second.max((0, 1, 3)), rtol=5e-3), one.name


def test_what_it_is_for() -> None:
    """An input channel whose weights are 1000 times the others': rounded, the others are lost; equalized, not."""
    model = two(layers.ReLU())
    one, bias = model.get_layer("one").get_weights()
    other, shift = model.get_layer("two").get_weights()
    model.get_layer("one").set_weights([one / np.array([1e3, 1, 1, 1]), bias / np.array([1e3, 1, 1, 1])])
    model.get_layer("two").set_weights([other * np.array([1e3, 1, 1, 1])[:, None], shift])

    def error(graph: keras.Model) -> float:
        exact = np.asarray(graph(pictures()))
        for layer in (graph.get_layer("one"), graph.get_layer("two")):
            layer.kernel.assign(on_grid(np.asarray(layer.kernel), (0, 1, 2)))
        return float(np.square(np.asarray(graph(pictures())) - exact).mean() / exact.var())

    assert error(equalize(model)) < 0.01 * error(model)
