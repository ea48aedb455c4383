"""What is read from a .tflite, against counts made by hand and by MLPerf; damage must never escape as another error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bramble.errors import IncompatibleError
from bramble.tflite import Graph, Node, Tensor, read_graph
from bramble_agent.wire import Operator

Lower = Callable[[str], bytes]


def tensor(*shape: int, constant: bool = False) -> Tensor:
    """A float tensor, with zeros for content where constant."""
    return Tensor("t", shape, "FLOAT32", (), 0, np.zeros(shape, np.float32) if constant else None)


def graph(tensors: tuple[Tensor, ...], *nodes: Node) -> Graph:
    """A graph from the first tensor to the last."""
    return Graph(tensors, nodes, (0,), (len(tensors) - 1,), "")


def test_operators_and_shapes(tiny_lowered: Lower) -> None:
    """The tiny model is conv, depthwise, reshape, dense, from 6 x 6 x 2 to 3, with batch 1."""
    read = read_graph(tiny_lowered("float32"))
    names = [node.name for node in read.nodes]
    assert names == ["CONV_2D", "DEPTHWISE_CONV_2D", "RESHAPE", "FULLY_CONNECTED"]
    assert [(op.name, op.count) for op in read.operators()] == [(name, 1) for name in sorted(names)]
    assert [read.tensors[n].shape for n in read.inputs] == [(1, 6, 6, 2)]
    assert [read.tensors[n].shape for n in read.outputs] == [(1, 3)]
    assert {read.tensors[n].dtype for n in read.inputs + read.outputs} == {"FLOAT32"}
    assert read.minimum_runtime.count(".") == 2


@pytest.mark.parametrize("scheme", ["float32", "float16", "dynamic", "int8"])
def test_macs_by_hand(tiny_lowered: Lower, scheme: str) -> None:
    """6·6·4·(3·3·2) + 6·6·4·(3·3) + 144·3 = 2592 + 1296 + 432, whatever the numbers are stored as."""
    assert read_graph(tiny_lowered(scheme)).macs() == 4320


def test_kernels_by_hand(tiny_lowered: Lower) -> None:
    """TFLite lays a convolution out as [out, h, w, in], a depthwise one as [1, h, w, c], a dense one as [out, in]."""
    kernels = read_graph(tiny_lowered("float32")).weights()
    assert [kernel.shape for kernel in kernels] == [(4, 3, 3, 2), (1, 3, 3, 4), (3, 144)]
    assert sum(kernel.value.size for kernel in kernels if kernel.value is not None) == 72 + 36 + 432
    assert [kernel.scales for kernel in kernels] == [(), (), ()]


def test_scales_of_int8_kernels(tiny_lowered: Lower) -> None:
    """In int8 each kernel has a scale for each output channel, on the axis that holds them."""
    kernels = read_graph(tiny_lowered("int8")).weights()
    assert [(kernel.dtype, len(kernel.scales), kernel.axis) for kernel in kernels] == [
        ("INT8", 4, 0),
        ("INT8", 4, 3),
        ("INT8", 3, 0),
    ]
    assert [kernel.value.dtype for kernel in kernels if kernel.value is not None] == [np.int8] * 3


def test_kernel_values_are_kerass(tiny_lowered: Lower, tiny: object) -> None:
    """The constants read are the model's weights, with the axes moved."""
    conv, depthwise, dense = (kernel.value for kernel in read_graph(tiny_lowered("float32")).weights())
    theirs = {name: tiny.get_layer(name).get_weights()[0] for name in ("conv", "depthwise", "dense")}  # type: ignore[attr-defined]
    assert conv is not None
    assert depthwise is not None
    assert dense is not None
    for out in range(4):
        assert np.array_equal(conv[out], theirs["conv"][:, :, :, out])
        assert np.array_equal(depthwise[0, :, :, out], theirs["depthwise"][:, :, out, 0])
    assert np.array_equal(dense.T, theirs["dense"])


def test_transposed_convolution_macs() -> None:
    """Each of 4·4·3 inputs meets a 3 x 3 kernel for each of 2 outputs: 864."""
    tensors = (tensor(1, 4, 4, 3), tensor(4, constant=True), tensor(2, 3, 3, 3, constant=True), tensor(1, 8, 8, 2))
    made = graph(tensors, Node("TRANSPOSE_CONV", 1, (1, 2, 0), (3,)))
    assert made.macs() == 864
    assert [kernel.shape for kernel in made.weights()] == [(2, 3, 3, 3)]


def test_operators_take_the_highest_version() -> None:
    """Operators are counted by name, with the version that the newest of them needs."""
    one = tensor(1)
    made = graph((one, one), Node("ADD", 2, (0, 0), (1,)), Node("ABS", 1, (0,), (1,)), Node("ADD", 4, (0, 0), (1,)))
    assert made.operators() == (Operator("ABS", 1, 1), Operator("ADD", 4, 2))
    assert made.macs() == 0


def test_shared_and_computed_kernels() -> None:
    """A kernel used twice is listed once; one that the graph computes is none."""
    tensors = (tensor(1, 3), tensor(3, 3, constant=True), tensor(3, 3), tensor(1, 3))
    nodes = [Node("FULLY_CONNECTED", 1, (0, kernel, -1), (3,)) for kernel in (1, 1, 2)]
    made = graph(tensors, *nodes)
    assert len(made.weights()) == 1
    assert made.macs() == 27


@pytest.mark.parametrize("name", ["pretrainedResnet.tflite", "pretrainedResnet_quant.tflite"])
def test_resnet8_of_mlperf(data: Path, name: str) -> None:
    """ResNet-8: 442,368 + 2·2,359,296 + 2·3,670,016 (with shortcuts) + 640 = 12,501,632, and 77,360 kernel weights.

    The second and third stack halve the picture and double the channels: 1,179,648 + 2,359,296 + 131,072.
    """
    read = read_graph((data / "models/mlperf-tiny/image_classification" / name).read_bytes())
    assert read.macs() == 442_368 + 2 * 2_359_296 + 2 * 3_670_016 + 640
    stacks = 2 * 16 * 16 * 9 + (16 + 32) * 32 * 9 + 16 * 32 + (32 + 64) * 64 * 9 + 32 * 64
    assert sum(kernel.value.size for kernel in read.weights() if kernel.value is not None) == 27 * 16 + stacks + 640
    assert {op.name: op.count for op in read.operators()} == {
        "ADD": 3,
        "AVERAGE_POOL_2D": 1,
        "CONV_2D": 9,
        "FULLY_CONNECTED": 1,
        "RESHAPE": 1,
        "SOFTMAX": 1,
    }


@pytest.mark.parametrize("rubbish", [b"", b"TFL3", b"\0\0\0\0TFL2" + bytes(64), b"PK\3\4" + bytes(100)], ids=repr)
def test_other_files_are_no_models(rubbish: bytes) -> None:
    """A file without the identifier is told apart at once."""
    with pytest.raises(IncompatibleError, match="not a TFLite model"):
        read_graph(rubbish)


def test_identifier_alone_is_damaged() -> None:
    """Behind the right identifier there must be a model."""
    for filler in (b"", bytes(64), b"\xff" * 64):
        with pytest.raises(IncompatibleError, match="damaged"):
            read_graph(b"\x1c\0\0\0TFL3" + filler)


def test_truncated_at_any_place(tiny_lowered: Lower) -> None:
    """A model cut short is refused or still holds all its tables; nothing else happens."""
    whole = tiny_lowered("int8")
    refused = 0
    for length in range(0, len(whole), 37):
        try:
            read_graph(whole[:length])
        except IncompatibleError:
            refused += 1
    assert refused > len(whole) // 37 // 2


@settings(max_examples=300, deadline=None)
@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1, max_size=20))
def test_flipped_bits_never_crash(tiny_lowered: Lower, flips: list[tuple[float, int]]) -> None:
    """A model with flipped bits is refused, or read and can be asked everything."""
    raw = bytearray(tiny_lowered("int8"))
    for place, bit in flips:
        raw[int(place * len(raw))] ^= 1 << bit
    try:
        read = read_graph(bytes(raw))
    except IncompatibleError:
        return
    read.weights()
    read.operators()
    assert isinstance(read.macs(), int)
    assert max((*read.inputs, *read.outputs)) < len(read.tensors)
