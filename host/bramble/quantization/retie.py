"""Kernels with scales of our own choice, put into a finished .tflite.

The converter always takes max|w_c|/127 of each channel. A clustered, hashed or binary layer then has other integers in
every channel, where it should have K in all: the file would be no smaller for it. So integers and scales of such layers
are written over the converter's, and their biases with them:

    b_int = round(b / (s_input · s_c))

The layer's answers stay, up to the rounding of the kernel; nothing else in the file changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.errors import IncompatibleError
from bramble.quantization.flatbuffer import add_buffer, packed, unpacked
from bramble.quantization.grid import Integers, Scales
from bramble.tflite import DEPTHWISE_AXIS, WEIGHTED_CODES

INT32 = np.iinfo(np.int32)
INT8 = 9  # in TFLite's schema
HALF = 0.501  # what rounding to the nearest step may change, and a little


@dataclass(frozen=True)
class Kernel:
    """A kernel as a .tflite holds it: integers with the channels where TFLite has them, one scale a channel."""

    integers: NDArray[np.int8]
    scales: NDArray[np.float32]
    axis: int

    def by_channel(self, values: Any) -> NDArray[np.float64]:
        """Numbers of channels in the shape that multiplies the integers."""
        shape = [1] * self.integers.ndim
        shape[self.axis] = -1
        return np.asarray(values, np.float64).reshape(shape)


def as_stored(layer: Any, whole: Integers, steps: Scales) -> Kernel:
    """A Keras layer's integers and scales in TFLite's order."""
    axis = DEPTHWISE_AXIS if isinstance(layer, keras.layers.DepthwiseConv2D) else 0
    return Kernel(stored_order(layer, whole), steps.ravel(), axis)


def stored_order(layer: Any, kernel: NDArray[Any]) -> NDArray[Any]:
    """A Keras layer's kernel as TFLite holds it: channels first, in depthwise kernels last."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        height, width, _, _ = kernel.shape
        return kernel.reshape(1, height, width, -1)
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return np.moveaxis(kernel, -2, 0)
    turned = np.moveaxis(kernel, -1, 0)
    return turned[:, None] if isinstance(layer, keras.layers.Conv1D) else turned


def retie(model: bytes, kernels: Mapping[str, Kernel]) -> bytes:
    """The .tflite with these kernels (by layer, for messages) in the place of the converter's.

    Raises IncompatibleError where a kernel is not found, or a bias leaves 32 bits.
    """
    held = unpacked(model)
    graph = held.subgraphs[0]
    found = {name: holders(held, graph, kernel, name) for name, kernel in kernels.items()}
    for name, ops in found.items():
        _rewrite(held, graph, ops, kernels[name], name)
    return packed(held)


def holders(held: Any, graph: Any, kernel: Kernel, name: str) -> list[Any]:
    """The operators that compute with a layer's kernel, as the converter stored it.

    Raises IncompatibleError where there are none.
    """
    ops = [op for op in graph.operators if held.operatorCodes[op.opcodeIndex].builtinCode in WEIGHTED_CODES]
    far = {op.inputs[1]: _distance(held, graph.tensors[op.inputs[1]], kernel) for op in ops}
    nearest = min(far, key=lambda place: far[place], default=-1)
    if far.get(nearest, np.inf) > HALF:
        raise IncompatibleError(f"the kernel of {name} is not in the converted model", "leave its layer as it is")
    return [op for op in ops if op.inputs[1] == nearest]


def _distance(held: Any, tensor: Any, kernel: Kernel) -> float:
    """How far a tensor's weights are from the kernel's, at most, in steps of the tensor; infinite for other shapes.

    The converter gives each channel's largest weight 127, or less where the bias would not fit into 32 bits.
    """
    data = held.buffers[tensor.buffer].data
    if tensor.type != INT8 or data is None or tuple(tensor.shape) != kernel.integers.shape:
        return float("inf")
    theirs = np.frombuffer(bytes(data), np.int8).reshape(kernel.integers.shape)
    steps = kernel.by_channel(tensor.quantization.scale)
    return float(np.abs(theirs - kernel.integers * kernel.by_channel(kernel.scales) / steps).max())


def _rewrite(held: Any, graph: Any, nodes: list[Any], kernel: Kernel, name: str) -> None:
    tensor = graph.tensors[nodes[0].inputs[1]]
    old, new = np.asarray(tensor.quantization.scale, np.float64), kernel.scales.astype(np.float64)
    tensor.buffer = add_buffer(held, kernel.integers)
    tensor.quantization.scale = kernel.scales
    done: set[int] = set()
    for node in nodes:
        place = node.inputs[2] if len(node.inputs) > 2 else -1
        if place < 0 or place in done:
            continue
        done.add(place)
        bias = graph.tensors[place]
        step = float(graph.tensors[node.inputs[0]].quantization.scale[0])
        real = np.frombuffer(bytes(held.buffers[bias.buffer].data), np.int32) * (step * old)
        whole = np.round(real / (step * new))
        if (np.abs(whole) > INT32.max).any():
            raise IncompatibleError(f"a bias of {name} leaves 32 bits at the shared scale", "leave its layer untied")
        bias.buffer = add_buffer(held, whole.astype(np.int32))
        bias.quantization.scale = (step * new).astype(np.float32)
