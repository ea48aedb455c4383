"""Batch norm, and every other scale and shift a channel, folded into the layer it meets: the same answers, fewer parts.

    a·(W x + b) + s = (a W) x + (a b + s)        a = γ/√(variance + ε),  s = β − a·mean

Behind a convolution, depthwise or dense layer it goes into that layer; in front of a dense or unpadded convolution into
that one; anywhere else it becomes a 1 x 1 depthwise convolution, which integers know. Rescaling and Normalization are
such parts too. For Jacob et al. 2018 (1712.05877) folding comes before rounding; with one scale a channel it may as
well come after training, since scale_c of a·W is |a_c| times that of W.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.errors import IncompatibleError
from bramble.graph.channels import nodes
from bramble.quantization.graph import Copies, calls, consumers, rebuilt
from bramble.quantization.plain import WEIGHTED

layers = keras.layers
Row = NDArray[np.float64]
AFFINE = (layers.BatchNormalization, layers.Rescaling, layers.Normalization)


def fold(model: keras.Model, keep_norms: bool = False) -> keras.Model:
    """A copy of ``model`` (one of ``plain``'s) without scales and shifts of their own.

    ``keep_norms`` leaves the batch norms that go into the layer before them: what a graph is that trains on.
    Raises IncompatibleError for one that stands where it cannot be folded.
    """
    into = {id(norm): (layer, how) for norm, layer, how in _pairs(model) if how == "ahead" or not keep_norms}
    kept = {id(norm) for norm, _, how in _pairs(model) if how == "behind"} if keep_norms else set()
    norms = {id(layer): (norm, how) for norm, layer, how in _pairs(model) if id(norm) in into}
    copies = Copies()

    def call(name: str, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        operation = node.operation
        if node.is_input or id(operation) in into:
            return args[0]
        if id(operation) in norms:
            return _merged(copies, operation, *norms[id(operation)])(args[0])
        if isinstance(operation, AFFINE) and id(operation) not in kept:
            return _standing(copies, operation, args[0])
        return copies.of(operation)(*args, **kwargs)

    made = rebuilt(model, call)
    copies.settle()
    return made


def scale_and_shift(layer: Any, width: int) -> tuple[Row, Row]:
    """What an affine layer does to each of ``width`` channels outside of training: scale [width], shift [width]."""
    if isinstance(layer, layers.BatchNormalization):
        mean, variance = (np.asarray(one, np.float64) for one in (layer.moving_mean, layer.moving_variance))
        scale = 1.0 / np.sqrt(variance + layer.epsilon)
        scale = scale * np.asarray(layer.gamma, np.float64) if layer.scale else scale
        return scale, (np.asarray(layer.beta, np.float64) if layer.center else 0.0) - scale * mean
    if isinstance(layer, layers.Rescaling):
        scale, shift = np.asarray(layer.scale, np.float64), np.asarray(layer.offset, np.float64)
    else:
        mean, variance = np.asarray(layer.mean, np.float64), np.asarray(layer.variance, np.float64)
        deviation = np.maximum(np.sqrt(variance), keras.backend.epsilon())
        scale, shift = (deviation, mean) if layer.invert else (1.0 / deviation, -mean / deviation)
    if scale.size not in (1, width) or shift.size not in (1, width):
        raise _cannot(layer, "it scales by more than channels")
    return np.broadcast_to(scale.ravel(), width).copy(), np.broadcast_to(shift.ravel(), width).copy()


def _pairs(model: keras.Model) -> Iterator[tuple[Any, Any, str]]:
    """Each affine layer with the weighted one that it folds into, and whether it stands "behind" it or "ahead"."""
    read, used, made = consumers(model), calls(model), dict[int, Any]()
    order = nodes(model)
    taken: set[int] = set()
    for node in order:
        made.update({id(tensor): node for tensor in node.output_tensors})
    readers = {id(tensor): node for node in order for tensor in node.input_tensors}
    for node in order:
        norm = node.operation
        if not isinstance(norm, AFFINE) or used[id(norm)] != 1 or not _last_axis(norm, node):
            continue
        maker, reader = made[id(node.input_tensors[0])], readers.get(id(node.output_tensors[0]))
        if _ready(maker, used, taken) and read[id(node.input_tensors[0])] == 1:
            taken.add(id(maker.operation))
            yield norm, maker.operation, "behind"
        elif (
            reader
            and read[id(node.output_tensors[0])] == 1
            and _unpadded(reader.operation)
            and _ready(reader, used, taken)
        ):
            taken.add(id(reader.operation))
            yield norm, reader.operation, "ahead"


def _ready(node: Any, used: Any, taken: set[int]) -> bool:
    """Whether a node is a call of a weighted layer that can take a scale: its only call, and none taken before."""
    layer = node.operation
    linear = isinstance(layer, WEIGHTED) and layer.activation is keras.activations.linear
    return linear and used[id(layer)] == 1 and id(layer) not in taken


def _unpadded(layer: Any) -> bool:
    """Whether a shift in front can move into the bias: nothing is read beyond the border, no groups."""
    if isinstance(layer, layers.Dense):
        return True
    plain = type(layer) is layers.Conv2D and layer.groups == 1
    return plain and (layer.padding == "valid" or math.prod(layer.kernel_size) == 1)


def _last_axis(norm: Any, node: Any) -> bool:
    rank = len(node.input_tensors[0].shape)
    axis = getattr(norm, "axis", -1)
    axes = (axis,) if isinstance(axis, int) else tuple(axis or (-1,))
    return all(one % rank == rank - 1 for one in axes)


def _merged(copies: Copies, layer: Any, norm: Any, how: str) -> Any:
    """A new layer that does what ``layer`` and ``norm`` do."""
    kernel = np.asarray(layer.kernel, np.float64)
    bias = np.asarray(layer.bias, np.float64) if layer.use_bias else np.float64(0.0)
    if how == "behind":
        width = kernel.shape[-2] * kernel.shape[-1] if _deep(layer) else kernel.shape[_out_axis(layer)]
        scale, shift = scale_and_shift(norm, width)
        kernel, bias = kernel * _spread(layer, scale, kernel), bias * scale + shift
    else:
        scale, shift = scale_and_shift(norm, kernel.shape[-2])
        bias = bias + kernel.reshape(-1, *kernel.shape[-2:]).sum(0).T @ shift
        kernel = kernel * scale[:, None]
    new = layer.__class__.from_config(layer.get_config() | {"use_bias": True})
    new.trainable = layer.trainable
    return copies.give(new, [kernel, bias])


def _spread(layer: Any, scale: Row, kernel: NDArray[Any]) -> NDArray[Any]:
    """One factor an output channel in the shape of the kernel."""
    if _deep(layer):
        return scale.reshape(kernel.shape[-2:])
    return scale[:, None] if isinstance(layer, layers.Conv2DTranspose) else scale


def _deep(layer: Any) -> bool:
    return isinstance(layer, layers.DepthwiseConv2D)


def _out_axis(layer: Any) -> int:
    return -2 if isinstance(layer, layers.Conv2DTranspose) else -1


def _standing(copies: Copies, norm: Any, x: Any) -> Any:
    """An affine layer that has to stand alone, as a 1 x 1 depthwise convolution (a flat tensor: 1 x 1 pixels)."""
    rank, width = len(x.shape), x.shape[-1]
    if rank not in (2, 4) or width is None:
        raise _cannot(norm, f"it reads a tensor of rank {rank}")
    scale, shift = scale_and_shift(norm, width)
    deep = copies.give(layers.DepthwiseConv2D(1, name=norm.name), [scale.reshape(1, 1, width, 1), shift])
    if rank == 4:
        return deep(x)
    return layers.Reshape((width,))(deep(layers.Reshape((1, 1, width))(x)))


def _cannot(layer: Any, why: str) -> IncompatibleError:
    said = f"{layer.name} ({type(layer).__name__}) cannot be int8: {why}"
    return IncompatibleError(said, "put it behind a convolution or dense layer, or use scheme = float16 or dynamic")
