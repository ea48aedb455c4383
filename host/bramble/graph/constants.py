"""Which channels of a graph do not depend on the picture, and the value that each then has everywhere.

A unit all of whose input weights are zero (or listen to constants) gives activation(bias), and keeps giving one value
through batch norm, pooling, flatten and dropout. Zero padding spoils a value other than 0: the border then differs.
What is not known to be constant is NaN, so doubt always keeps a channel. Inference only: dropout and batch norm as they
answer outside of training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.graph.channels import ACROSS, JOINING, SAME, nodes

Values = NDArray[np.float64]
layers = keras.layers
STILL = (  # what leaves a constant alone
    layers.AveragePooling2D,
    layers.Dropout,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.MaxPooling2D,
    layers.SpatialDropout2D,
    layers.UpSampling2D,
)
WEIGHING = (layers.Conv2D, layers.Dense, layers.DepthwiseConv2D)


def constants(model: keras.Model) -> dict[str, Values]:
    """What each layer with one call reads, by name: one value an input channel, NaN where it depends on the picture.

    Layers with several inputs are left out. Raises IncompatibleError for a model whose graph cannot be seen.
    """
    values, read = dict[int, Values](), dict[str, Values]()
    for node in nodes(model):
        inputs = [values[id(tensor)] for tensor in node.input_tensors]
        if len(inputs) == 1:
            read[node.operation.name] = inputs[0]
        for tensor in node.output_tensors:
            values[id(tensor)] = _told(node, inputs, int(tensor.shape[-1] or 1))
    return read


def padded(layer: Any) -> bool:
    """Whether a layer with a kernel may read zeros beyond the border."""
    return getattr(layer, "padding", "valid") != "valid" and max(layer.kernel_size) > 1


def _told(node: Any, inputs: list[Values], width: int) -> Values:
    """The constants [width] that a node gives."""
    layer, unknown = node.operation, np.full(width, np.nan)
    drawn = node.arguments.kwargs.get("training") and isinstance(layer, layers.Dropout | layers.BatchNormalization)
    if not inputs or drawn or getattr(layer, "activation", None) in ACROSS:
        return unknown
    if isinstance(layer, (*JOINING, layers.Concatenate)):
        last = isinstance(layer, layers.Concatenate) and layer.axis in (-1, len(node.output_tensors[0].shape) - 1)
        return np.concatenate(inputs) if last else _joined(layer, inputs, unknown)
    value = inputs[0]
    if isinstance(layer, layers.Flatten):
        return np.tile(value, width // len(value))
    if isinstance(layer, SAME):
        return _passed(layer, value)
    if not isinstance(layer, WEIGHING) or getattr(layer, "groups", 1) != 1:
        return unknown
    return _activated(
        layer, _depthwise(layer, value) if isinstance(layer, layers.DepthwiseConv2D) else _all(layer, value)
    )


def _joined(layer: Any, inputs: list[Values], unknown: Values) -> Values:
    """Behind a layer that joins inputs number by number; concatenated along height or width, they must agree."""
    if len({len(one) for one in inputs}) != 1:
        return unknown
    rows = np.stack(inputs)
    if isinstance(layer, layers.Concatenate):
        return np.where(np.ptp(rows, axis=0) == 0, rows[0], np.nan)
    return next(np.asarray(join(rows)) for kind, join in _JOINED.items() if isinstance(layer, kind))


def _all(layer: Any, value: Values) -> Values:
    """Σ kernel · value + bias where every input that has a weight is constant."""
    usable, total, weighing = _summed(layer, value)
    spoilt = weighing[~usable].any(0)
    return np.where(spoilt, np.nan, np.where(usable, value, 0.0) @ total + _bias(layer))


def _depthwise(layer: Any, value: Values) -> Values:
    """The same where each output reads one channel."""
    usable, total, weighing = _summed(layer, value)
    spoilt = weighing & ~usable[:, None]
    return np.asarray(np.where(spoilt, np.nan, np.where(usable, value, 0.0)[:, None] * total).ravel() + _bias(layer))


def _summed(layer: Any, value: Values) -> tuple[NDArray[np.bool_], Values, NDArray[np.bool_]]:
    """Which inputs count as constant, the kernel summed over its positions [in, out], and where it has any weight."""
    kernel = np.asarray(layer.kernel, dtype=np.float64)
    flat = kernel.reshape(-1, *kernel.shape[-2:])
    usable = np.isfinite(value) & ((value == 0) | (not padded(layer)))
    return usable, flat.sum(0), (flat != 0).any(0)


def _bias(layer: Any) -> Any:
    return np.asarray(layer.bias, dtype=np.float64) if layer.use_bias else 0.0


def _activated(layer: Any, value: Values) -> Values:
    return _elementwise(layer.activation, value)


def _passed(layer: Any, value: Values) -> Values:
    """Behind a layer that passes channels on."""
    if isinstance(layer, STILL):
        return value
    if isinstance(layer, layers.ZeroPadding2D):
        return np.where(value == 0, 0.0, np.nan)
    if isinstance(layer, layers.BatchNormalization):
        return _normalised(layer, value)
    return _elementwise(layer, value)


def _normalised(layer: Any, value: Values) -> Values:
    """(value − mean) / √(variance + epsilon) · gamma + beta."""
    mean, variance = (np.asarray(one, dtype=np.float64) for one in (layer.moving_mean, layer.moving_variance))
    scaled = (value - mean) / np.sqrt(variance + layer.epsilon)
    scaled = scaled * np.asarray(layer.gamma, dtype=np.float64) if layer.scale else scaled
    return np.asarray(scaled + np.asarray(layer.beta, dtype=np.float64) if layer.center else scaled)


def _elementwise(function: Any, value: Values) -> Values:
    """What a function of each number alone makes of the known values; nothing is known where it changes the width."""
    known = np.isfinite(value)
    got = np.asarray(function(keras.ops.convert_to_tensor(np.where(known, value, 0.0)[None], "float32")), np.float64)
    return np.where(known, got[0], np.nan) if got.shape[-1] == len(value) else np.full_like(value, np.nan)


_JOINED: dict[Any, Callable[[Values], Values]] = {
    layers.Add: lambda rows: rows.sum(0),
    layers.Average: lambda rows: rows.mean(0),
    layers.Maximum: lambda rows: rows.max(0),
    layers.Minimum: lambda rows: rows.min(0),
    layers.Multiply: lambda rows: np.where((rows == 0).any(0), 0.0, rows.prod(0)),  # whatever the other is
    layers.Subtract: lambda rows: rows[0] - rows[1],
}
