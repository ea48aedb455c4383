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
from bramble.quantization.flatbuffer import packed, unpacked
from bramble.quantization.grid import Integers, Scales, integers, scales
from bramble.tflite import DEPTHWISE_AXIS, WEIGHTED_CODES

INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class Kernel:
    """A kernel as a .tflite holds it: integers with the channels where TFLite has them, one scale a channel."""

    integers: NDArray[np.int8]
    scales: NDArray[np.float32]
    axis: int

    def plain_integers(self) -> NDArray[np.int8]:
        """The integers that the converter gives for the same weights: each channel's largest becomes 127."""
        axes = tuple(n for n in range(self.integers.ndim) if n != self.axis)
        real = self.integers.astype(np.float64)
        return integers(real, scales(real, axes))


def as_stored(layer: Any, whole: Integers, steps: Scales) -> Kernel:
    """A Keras layer's integers and scales in TFLite's order: channels first, in depthwise kernels last."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        height, width, _, _ = whole.shape
        return Kernel(whole.reshape(1, height, width, -1), steps.ravel(), DEPTHWISE_AXIS)
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return Kernel(np.moveaxis(whole, -2, 0), steps.ravel(), 0)
    turned = np.moveaxis(whole, -1, 0)
    return Kernel(turned[:, None] if isinstance(layer, keras.layers.Conv1D) else turned, steps.ravel(), 0)


def retie(model: bytes, kernels: Mapping[str, Kernel]) -> bytes:
    """The .tflite with these kernels (by layer, for messages) in the place of the converter's.

    Raises IncompatibleError where a kernel is not found, or a bias leaves 32 bits.
    """
    held = unpacked(model)
    graph = held.subgraphs[0]
    nodes = [op for op in graph.operators if held.operatorCodes[op.opcodeIndex].builtinCode in WEIGHTED_CODES]
    taken: set[int] = set()
    for name, kernel in kernels.items():
        mine = [op for op in nodes if _holds(held, graph.tensors[op.inputs[1]], kernel) and id(op) not in taken]
        if not mine:
            raise IncompatibleError(f"the kernel of {name} is not in the converted model", "leave its layer untied")
        chosen = [op for op in mine if op.inputs[1] == mine[0].inputs[1]]
        taken.update(id(op) for op in chosen)
        _rewrite(held, graph, chosen, kernel, name)
    return packed(held)


def _holds(held: Any, tensor: Any, kernel: Kernel) -> bool:
    data = held.buffers[tensor.buffer].data
    if tensor.type != 9 or data is None or tuple(tensor.shape) != kernel.integers.shape:
        return False
    theirs = np.frombuffer(bytes(data), np.int8).reshape(kernel.integers.shape)
    return bool((theirs == kernel.plain_integers()).all())


def _rewrite(held: Any, graph: Any, nodes: list[Any], kernel: Kernel, name: str) -> None:
    tensor = graph.tensors[nodes[0].inputs[1]]
    old, new = np.asarray(tensor.quantization.scale, np.float64), kernel.scales.astype(np.float64)
    held.buffers[tensor.buffer].data = np.frombuffer(kernel.integers.tobytes(), np.uint8)
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
        held.buffers[bias.buffer].data = np.frombuffer(whole.astype(np.int32).tobytes(), np.uint8)
        bias.quantization.scale = (step * new).astype(np.float32)
