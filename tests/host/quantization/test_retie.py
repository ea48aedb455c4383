"""Kernels with one scale for all channels: few integers in the file, and the answers of the simulation."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.errors import IncompatibleError
from bramble.quantization.export import Exported, export, few_valued, tie
from bramble.quantization.fold import fold
from bramble.quantization.places import places
from bramble.quantization.plain import plain
from bramble.quantization.ranges import calibrate
from bramble.quantization.retie import Kernel, retie
from bramble.quantization.simulate import simulate
from bramble.tflite import read_graph

from ..nets import scrambled
from .graphs import answers, pictures

CODEBOOK = np.array([-0.31, -0.07, 0.0, 0.12, 0.29], np.float32)


def clustered(normalised: bool) -> keras.Model:
    """Conv → depthwise → dense, all made of five values, with or without norms."""
    pixels = keras.Input((6, 6, 3), name="pixels")
    x = layers.Conv2D(8, 3, name="conv")(pixels)
    x = layers.ReLU()(layers.BatchNormalization()(x) if normalised else x)
    x = layers.DepthwiseConv2D(3, name="deep")(x)
    x = layers.Flatten()(layers.BatchNormalization()(x) if normalised else x)
    model = scrambled(keras.Model(pixels, layers.Dense(4, name="out")(x)))
    generator = np.random.default_rng(2)
    for name in ("conv", "deep", "out"):
        layer = model.get_layer(name)
        values = generator.choice(CODEBOOK, layer.kernel.shape)
        first = (..., 0, 0) if name == "deep" else (..., 0)
        values[first] = np.where(values[first] == CODEBOOK[0], 0.12, values[first])  # a channel without the largest
        layer.kernel.assign(values)
    return model


def tied_export(model: keras.Model, given: NDArray[np.float32]) -> Exported:
    """The model with its three kernels tied."""
    unfolded = plain(model)
    tied = tie(unfolded, few_valued(unfolded))
    assert list(tied) == ["conv", "deep", "out"]
    graph = fold(unfolded)
    where = places(graph, {"pixels": (0.0, 1.0)})
    return export(simulate(graph, where, calibrate(graph, where, lambda: iter([[given]]))), tied)


@pytest.mark.parametrize("normalised", [False, True])
def test_few_integers_and_the_same_answers(normalised: bool) -> None:
    """Five values are at most five integers in every kernel (and their negatives, where a norm turned a channel)."""
    given = pictures(32, 6, 6, 3)
    made = tied_export(clustered(normalised), given)
    graph = read_graph(made.tflite)
    ours = {round(float(value) / 0.31 * 127) for value in CODEBOOK}
    allowed = ours | ({-value for value in ours} if normalised else set())
    for kernel in graph.weights():
        assert kernel.value is not None
        assert set(np.unique(kernel.value).tolist()) <= allowed
        assert normalised or len(set(kernel.scales)) == 1
    step = graph.tensors[graph.outputs[0]].scales[0]
    off = np.abs(answers(made.tflite, given)[0] - np.asarray(made.simulation(given))) / step
    assert (off.mean() < 0.25, off.max() <= 2.01) == (True, True)
    assert not [tensor.name for tensor in graph.tensors if "FLOAT" in tensor.dtype]


def test_untied_it_would_be_many() -> None:
    """The converter's own rule gives channels other integers: that is what tying is for."""
    given = pictures(32, 6, 6, 3)
    model = clustered(normalised=False)
    graph = fold(plain(model))
    where = places(graph, {"pixels": (0.0, 1.0)})
    made = export(simulate(graph, where, calibrate(graph, where, lambda: iter([[given]]))))
    kernels = [one.value for one in read_graph(made.tflite).weights() if one.value is not None]
    assert max(len(np.unique(one)) for one in kernels) > len(CODEBOOK)


def test_kernel_that_is_not_there() -> None:
    """A kernel that the file does not hold is an error that names its layer."""
    made = tied_export(clustered(normalised=False), pictures(8, 6, 6, 3))
    other = Kernel(np.ones((4, 5), np.int8), np.ones(4, np.float32), 0)
    with pytest.raises(IncompatibleError, match="the kernel of elsewhere is not in the converted model"):
        retie(made.tflite, {"elsewhere": other})


@pytest.mark.parametrize("bias", [0.0, 5.0, 40.0])
def test_channels_whose_rounding_is_a_tie(bias: float) -> None:
    """A channel whose largest weight is twice another: 63.5 of 127 may go either way. All biases are alike."""
    pixels = keras.Input((6, 6, 3), name="pixels")
    x = layers.ReLU()(layers.Dense(6, name="first")(layers.Flatten()(pixels)))
    model = scrambled(keras.Model(pixels, layers.Dense(4, name="last")(x)))
    values = np.random.default_rng(1).choice(np.float32([-0.3, 0.0, 0.3]), model.get_layer("first").kernel.shape)
    values[:, 0] = np.where(values[:, 0] < 0, 0.002, 0.001)  # on the shared grid: 1 and 0, or 1 and 2
    values[:, 1] = np.where(values[:, 1] < 0, 0.0025, 0.005)
    model.get_layer("first").kernel.assign(values)
    model.get_layer("first").bias.assign(np.full(6, bias, np.float32))
    given = pictures(32, 6, 6, 3)
    unfolded = plain(model)
    tied = tie(unfolded, few_valued(unfolded))
    assert set(np.unique(tied["first"][:, 1]).tolist()) == {1, 2}
    graph = fold(unfolded)
    where = places(graph, {"pixels": (0.0, 1.0)})
    made = export(simulate(graph, where, calibrate(graph, where, lambda: iter([[given]]))), tied)
    (held,) = (one for one in read_graph(made.tflite).weights() if one.shape == (6, 108))
    assert np.array_equal(held.value, tied["first"].T)
    step = read_graph(made.tflite).tensors[read_graph(made.tflite).outputs[0]].scales[0]
    off = np.abs(answers(made.tflite, given)[0] - np.asarray(made.simulation(given))) / step
    assert off.max() <= 2.01
