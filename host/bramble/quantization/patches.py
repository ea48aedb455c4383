"""A convolution or dense layer as a matrix product of the patches it reads: what its rounding can be searched on.

    y[n, g·M + m] = Σ_k x[g, n, k] · w[g, k, m] + b        g groups of k inputs and M outputs each

A dense layer and a plain convolution have one group, a depthwise convolution one a channel. Rows n are output positions
of any picture; where there are many, some are drawn.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

layers = keras.layers
Array = NDArray[Any]
KINDS = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)  # of a transposed or 1-d convolution there are no patches


def known(layer: Any) -> bool:
    """Whether a layer can be had in patches."""
    return isinstance(layer, KINDS) and not isinstance(layer, layers.Conv2DTranspose)


def grouped(layer: Any, kernel: Array) -> Array:
    """A kernel in Keras' order as [g, k, M]."""
    if isinstance(layer, layers.DepthwiseConv2D):
        return kernel.reshape(-1, *kernel.shape[-2:]).swapaxes(0, 1)
    groups = getattr(layer, "groups", 1)
    return kernel.reshape(-1, groups, kernel.shape[-1] // groups).swapaxes(0, 1)


def ungrouped(layer: Any, parts: Array) -> Array:
    """``grouped`` undone."""
    return parts.swapaxes(0, 1).reshape(layer.kernel.shape)


def patches(layer: Any, x: Array, y: Array, most: int, draw: np.random.Generator) -> tuple[Array, Array]:
    """What a layer reads of x [n, …] at up to ``most`` output positions a picture: [g, rows, k]; and y there.

    y [n, …, channels] becomes [g, rows, M].
    """
    if isinstance(layer, layers.Dense):
        return x.reshape(1, -1, x.shape[-1]), y.reshape(1, -1, y.shape[-1])
    pictures, height, width, _ = y.shape
    count = min(most, height * width)
    at = np.stack([draw.permutation(height * width)[:count] for _ in range(pictures)]).ravel()
    number, row, column = np.repeat(np.arange(pictures), count), at // width, at % width
    padded, (high, wide) = _padded(layer, x, (height, width)), layer.kernel_size
    rows = row[:, None] * layer.strides[0] + np.arange(high) * layer.dilation_rate[0]
    columns = column[:, None] * layer.strides[1] + np.arange(wide) * layer.dilation_rate[1]
    read = padded[number[:, None, None], rows[:, :, None], columns[:, None, :]].reshape(len(at), high * wide, -1)
    groups = read.shape[-1] if isinstance(layer, layers.DepthwiseConv2D) else layer.groups
    parts = read.reshape(len(at), high * wide, groups, -1).transpose(2, 0, 1, 3).reshape(groups, len(at), -1)
    return parts, y[number, row, column].reshape(len(at), groups, -1).swapaxes(0, 1)


def _padded(layer: Any, x: Array, output: tuple[int, int]) -> Array:
    """The input with the zeros that the layer reads around it."""
    if layer.padding != "same":
        return x
    sides = []
    for size, out, kernel, stride, dilation in zip(
        x.shape[1:3], output, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True
    ):
        lacking = max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size)
        sides.append((lacking // 2, lacking - lacking // 2))
    return np.pad(x, ((0, 0), *sides, (0, 0)))
