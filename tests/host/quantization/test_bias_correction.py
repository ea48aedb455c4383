"""Biases after correction: by hand for one layer, and the means of a net whose layers disturb each other."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from bramble.quantization.bias_correction import correct_bias, with_biases
from bramble.quantization.export import Ready, round_kernels
from bramble.quantization.fold import fold
from bramble.quantization.places import places
from bramble.quantization.plain import plain
from bramble.quantization.ranges import Batches, calibrate
from bramble.quantization.simulate import simulate
from bramble.quantization.taps import ways

from ..nets import scrambled
from .graphs import BODIES, around, pictures


def halves(given: NDArray[np.float32]) -> Batches:
    """The pictures in two batches of unequal size."""

    def batches() -> Iterator[list[NDArray[np.float32]]]:
        yield [given[:5]]
        yield [given[5:]]

    return batches


def simulated(graph: keras.Model, given: NDArray[np.float32], kept: tuple[str, ...] = ()) -> Ready:
    """The graph, rounded by its ranges on these pictures."""
    where = places(graph, {tensor.name: (0.0, 1.0) for tensor in graph.inputs})
    return Ready(simulate(graph, where, calibrate(graph, where, halves(given))), {}, kept)


def outputs(model: keras.Model, layer: str, given: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a layer gives, the mean of each channel."""
    values = np.asarray(keras.Model(model.inputs, model.get_layer(layer).output)([given]), np.float64)
    return np.asarray(values.reshape(-1, values.shape[-1]).mean(0))


def test_by_hand() -> None:
    """One dense layer: b' = b + mean(x)·W − mean(x̃)·W̃, with x̃ and W̃ rounded by plain computation."""
    rows = keras.Input((6,), name="rows")
    graph = scrambled(keras.Model(rows, layers.Dense(4, name="out")(rows)))
    given = pictures(20, 6)
    kernel, bias = (np.asarray(w, np.float64) for w in graph.get_layer("out").get_weights())
    steps = np.abs(kernel).max(0) / 127
    rounded = np.round(kernel / steps) * steps
    coarse = np.round(given.astype(np.float64) * 255) / 255
    expected = bias + given.mean(0, dtype=np.float64) @ kernel - coarse.mean(0) @ rounded
    ready = simulated(graph, given)
    correct_bias(ready, graph, halves(given))
    assert np.allclose(ready.simulation.get_layer("out").bias, expected, atol=1e-6)
    assert np.abs(expected - bias).max() > 1e-4
    assert np.allclose(graph.get_layer("out").bias, bias)


def test_every_layers_mean_is_the_float_models() -> None:
    """Through a residual net, each sees the corrected layers before it: all means meet at the end."""
    graph = with_biases(fold(plain(around(BODIES["residual"]))))
    given = pictures(40)
    ready = simulated(graph, given)
    before = {name: outputs(ready.simulation, name, given) for name in ("first", "hidden", "out")}
    correct_bias(ready, graph, halves(given))
    for name, old in before.items():
        expected, found = outputs(graph, name, given), outputs(ready.simulation, name, given)
        assert np.abs(found - expected).max() < 1e-5
        assert np.abs(found - expected).max() < 0.1 * np.abs(old - expected).max(), name


def test_kept_layer_keeps_its_kernel() -> None:
    """A layer that stays in float is not rounded, but what comes before it is, so its bias moves."""
    graph = fold(plain(around(BODIES["residual"])))
    ready = simulated(graph, pictures(40), kept=("hidden",))
    correct_bias(ready, graph, halves(pictures(40)))
    mine, exact = ready.simulation.get_layer("hidden"), graph.get_layer("hidden")
    assert np.array_equal(mine.kernel, exact.kernel)
    assert not np.array_equal(mine.bias, exact.bias)


def test_layer_called_twice() -> None:
    """Its bias moves by the mean over both calls: the errors of the two sum to nothing."""
    rows = keras.Input((6,), name="rows")
    shared = layers.Dense(6, name="shared")
    graph = scrambled(keras.Model(rows, shared(layers.ReLU()(shared(rows)))))
    given = pictures(30, 6)
    ready = simulated(graph, given)
    old = np.asarray(graph.get_layer("shared").bias)

    def both(model: keras.Model) -> NDArray[np.float64]:
        tensors = [node.output_tensors[0] for node in ways(model)["shared"]]
        first, second = (np.asarray(one, np.float64) for one in keras.Model(model.inputs, tensors)([given]))
        return np.asarray((first.mean(0) + second.mean(0)) / 2)

    expected = both(graph)
    round_kernels(ready)
    wrong = expected - both(ready.simulation)
    correct_bias(ready, graph, halves(given))
    assert np.allclose(ready.simulation.get_layer("shared").bias, old + wrong, atol=1e-5)
    assert np.abs(wrong).max() > 1e-4


def test_layers_without_bias_get_one() -> None:
    """A bias of 0 changes no answer; layers that have one are as they were, a layer called twice is still one."""
    pixels = keras.Input((8, 8, 3))
    twice = layers.Conv2D(4, 3, padding="same", use_bias=False, name="twice")
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="deep")(
        twice(twice(layers.Conv2D(4, 1)(pixels)))
    )
    model = scrambled(keras.Model(pixels, layers.Dense(3, name="out")(x)))
    made = with_biases(model)
    assert np.allclose(model(pictures()), made(pictures()), atol=1e-6)
    assert np.asarray(made.get_layer("deep").bias).tolist() == [0.0] * 8
    assert np.asarray(made.get_layer("twice").bias).tolist() == [0.0] * 4
    assert np.array_equal(made.get_layer("out").bias, model.get_layer("out").bias)
    assert len(made.layers) == len(model.layers)
