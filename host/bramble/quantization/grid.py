"""The grid that weights are rounded to: symmetric, narrow, one scale an output channel (Jacob et al. 2018, 1712.05877).

    scale_c = max|w_c| / 127        q = round(w / scale_c) in −127..127        w ≈ q · scale_c

It is the converter's own rule. A kernel that lies on this grid already comes out of the converter with these very
integers; on a wider grid (clipping ranges, moving averages) nearly all of them would differ. So: clip, never widen.
Depthwise kernels have a scale for each of their output channels too. A channel of zeros has scale 1. So
has a withered one (a penalty does that to dead units), of weights below 1/4096 of the kernel's largest: it rounds to
zeros. Its sums would be far below a step of the layer's output, and its bias too large for an integer of such steps.

Coarse scales have 8 significant bits: 1 byte of a packed model in place of 3. A scale moves by 1/256 at most, so the
largest weight of a channel still becomes 127, what lies on the exact grid keeps its integers, and no weight is off by
more than the half step that rounding costs anyway.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

LEVELS = 127
WITHERED = 1 / 4096
COARSE_BITS = 7  # behind the first
Integers = NDArray[np.int8]
Scales = NDArray[np.float32]


def reduced_axes(layer: Any) -> tuple[int, ...]:
    """The axes of a layer's kernel that one output channel spreads over."""
    rank = len(layer.kernel.shape)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return tuple(range(rank - 2))
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return (*range(rank - 2), rank - 1)
    return tuple(range(rank - 1))


def scales(kernel: NDArray[Any], axes: tuple[int, ...], coarse: bool = False) -> Scales:
    """max|w|/127 over ``axes`` (kept as 1), ``coarse`` with 8 significant bits; 1 for zeros and withered channels."""
    most = np.abs(np.asarray(kernel, np.float64)).max(axes, keepdims=True)
    exact = np.where(most > WITHERED * most.max(), most / LEVELS, 1.0).astype(np.float32)
    return coarsened(exact) if coarse else exact


def coarsened(steps: Scales) -> Scales:
    """Scales to the nearest of 8 significant bits."""
    fraction, exponent = np.frexp(steps)
    rounded = np.round(np.ldexp(fraction, COARSE_BITS + 1))
    return np.asarray(np.ldexp(rounded, exponent - COARSE_BITS - 1), np.float32)


def integers(kernel: NDArray[Any], steps: Scales) -> Integers:
    """round(w/scale), ties to even, clipped to −127..127."""
    rounded = np.round(np.asarray(kernel, np.float64) / steps.astype(np.float64))
    return np.clip(rounded, -LEVELS, LEVELS).astype(np.int8)


def on_grid(kernel: NDArray[Any], axes: tuple[int, ...]) -> NDArray[np.float32]:
    """The kernel, float32, rounded to its grid; what lies on it already stays as it is."""
    steps = scales(kernel, axes)
    return integers(kernel, steps).astype(np.float32) * steps


def fake(kernel: Any, axes: tuple[int, ...], coarse: bool = False) -> Any:
    """``on_grid`` in the backend's operations, for views of kernels (``seen.seen_through``) while training."""
    ops = keras.ops
    most = ops.max(ops.abs(kernel), axes, keepdims=True)
    steps = ops.where(most > WITHERED * ops.max(most), most / LEVELS, 1.0)
    if coarse:
        unit = ops.power(2.0, ops.floor(ops.log2(steps)) - COARSE_BITS)
        steps = ops.round(steps / unit) * unit
        return ops.clip(ops.round(kernel / steps), -LEVELS, LEVELS) * steps
    return ops.round(kernel / steps) * steps
