"""What makes the exporter's files pack well: exact scales of biases, a plan, coarse scales, hashed kernels."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from keras import layers

from bramble.packing.pack import pack
from bramble.packing.record import recorded
from bramble.quantization.export import few_valued
from bramble.tflite import WEIGHTED, read_graph

from ..nets import scrambled
from .graphs import BODIES, answers, around, exported, pictures


@pytest.mark.slow
@pytest.mark.parametrize("kind", BODIES)
def test_every_file_has_a_plan(kind: str) -> None:
    """Whatever the graph is: or its packed model would hold the layout byte by byte."""
    assert recorded(exported(around(BODIES[kind]), pictures()).tflite) is not None


@pytest.mark.parametrize("kind", ["residual", "concat"])
def test_scales_of_biases_are_exact_products(kind: str) -> None:
    """float32(input's · kernel's) to the last bit in every layer with a bias, where the converter is off by a few."""
    graph = read_graph(exported(around(BODIES[kind]), pictures()).tflite)
    biased = [node for node in graph.nodes if node.name in WEIGHTED and len(node.inputs) == 3 and node.inputs[2] >= 0]
    assert len(biased) > 2
    for node in biased:
        given, kernel, bias = (np.array(graph.tensors[number].scales, np.float32) for number in node.inputs)
        assert (given * kernel).tolist() == bias.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["residual", "concat"])
def test_coarse_scales_and_biases(kind: str) -> None:
    """Scales of 8 bits, biases of few; answers as near the simulation's as they always are."""
    model = around(BODIES[kind])
    fine, made = exported(model, pictures()), exported(model, pictures(), coarse=True)
    graph = read_graph(made.tflite)
    for node in (node for node in graph.nodes if node.name in WEIGHTED):
        _, kernel, bias = (graph.tensors[number] for number in node.inputs)
        words = np.array(kernel.scales, np.float32).view(np.uint32)
        assert (words & 0xFFFF).max() == 0
        step = graph.tensors[node.outputs[0]].scales[0]
        assert bias.value is not None
        for whole, scale in zip(bias.value.tolist(), bias.scales, strict=True):
            unit = 2 ** math.floor(math.log2(max(1.0, step / 8 / scale)))
            assert whole % unit == 0
    step = graph.tensors[graph.outputs[0]].scales[0]
    off = np.abs(answers(made.tflite, pictures())[0] - np.asarray(made.simulation(pictures()))) / step
    assert off.mean() < 0.3
    assert off.max() <= 2.01
    assert len(pack(made.tflite)) < len(pack(fine.tflite)) - 40


def test_hashed_kernels_are_noticed() -> None:
    """64 values with signs for 256 weights are few, 192 of them are not; nor are weights without equals."""
    rows = keras.Input((16,))
    model = scrambled(keras.Model(rows, layers.Dense(16, name="dense")(rows)))
    drawn = np.random.default_rng(6).normal(size=64).astype(np.float32)
    signs = np.random.default_rng(8).choice([-1, 1], (16, 16))
    hashed = drawn[np.random.default_rng(7).integers(0, 64, (16, 16))] * signs
    many = np.concatenate([drawn, -drawn, 2 * drawn, 3 * drawn]).reshape(16, 16)
    for kernel, expected in ((hashed, ["dense"]), (many, []), (np.asarray(model.get_layer("dense").kernel), [])):
        model.get_layer("dense").kernel.assign(kernel)
        assert few_valued(model) == expected
