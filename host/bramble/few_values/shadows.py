"""Kernels of two or three values and the real weights behind them, which learn (equations in ``compress.binarize``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from bramble.held.seen import own_kernel

THRESHOLD = 0.7  # of the mean |w|, between zeros and the others


@dataclass(frozen=True, eq=False)
class Shadow:
    """A layer's shadow weights: ``size`` is a, ``mask`` has zeros where weights were pruned, ``noise`` is for draws."""

    layer: keras.Layer
    size: float
    mask: keras.Variable
    noise: keras.random.SeedGenerator

    @property
    def kernel(self) -> Any:
        """The variable of the shadow weights."""
        return own_kernel(self.layer)

    def signs(self, kernel: Any) -> Any:
        """The signs times a; the sign of 0 is 1."""
        return self.size * self.mask * keras.ops.where(kernel >= 0, 1.0, -1.0)

    def drawn(self, drawing: keras.Variable, kernel: Any) -> Any:
        """Signs drawn with probability (w/a + 1)/2 of being 1, times a, anew at every step; or the signs."""
        ops = keras.ops
        chance = ops.clip(0.5 * (kernel / self.size + 1.0), 0.0, 1.0)
        draws = keras.random.uniform(kernel.shape, seed=self.noise)
        drawn = self.size * self.mask * ops.where(draws < chance, 1.0, -1.0)
        return ops.where(drawing, drawn, self.signs(kernel))

    def ternary(self, kernel: Any) -> Any:
        """0 where |w| ≤ 0.7 · mean|w|, else the sign times the mean |w| of those that are greater."""
        ops = keras.ops
        size = ops.abs(kernel) * self.mask
        large = size > THRESHOLD * ops.sum(size) / ops.maximum(1.0, ops.sum(self.mask))
        large = ops.cast(large, kernel.dtype)
        return ops.sign(kernel) * large * ops.sum(size * large) / ops.maximum(1.0, ops.sum(large))


def shadow(layer: keras.Layer, alive: Any, size: float, seed: int) -> Shadow:
    """The layer's shadow, where ``alive`` (of its kernel's shape) is true."""
    mask = keras.Variable(np.asarray(alive, np.float32), trainable=False)
    return Shadow(layer, size, mask, keras.random.SeedGenerator(seed))


def widen(one: Shadow) -> None:
    """Bring the kernel to the standard deviation of a uniform one in [−a, a], and clip it there."""
    kernel, mask = np.asarray(one.kernel), np.asarray(one.mask) != 0
    spread = float(np.sqrt(np.mean(np.square(kernel[mask])))) if mask.any() else 0.0
    factor = one.size / (np.sqrt(3.0) * spread) if spread else 1.0
    one.kernel.assign(np.clip(factor * kernel, -one.size, one.size))


@contextmanager
def clipped(shadows: Sequence[Shadow]) -> Iterator[None]:
    """While inside, shadow weights are clipped to [−a, a] after every optimiser step."""
    before = [one.kernel.constraint for one in shadows]
    for one in shadows:
        one.kernel.constraint = _Clip(one.size, one.kernel.constraint)
    try:
        yield
    finally:
        for one, constraint in zip(shadows, before, strict=True):
            one.kernel.constraint = constraint


class _Clip(keras.constraints.Constraint):  # type: ignore[misc]
    """Clip, after the constraint that the kernel has of its own."""

    def __init__(self, size: float, own: Any) -> None:
        self.size, self.own = size, own

    def __call__(self, kernel: Any) -> Any:
        kernel = kernel if self.own is None else self.own(kernel)
        return keras.ops.clip(kernel, -self.size, self.size)


class Settled(keras.callbacks.Callback):  # type: ignore[misc]
    """Nothing is drawn while held-out pictures are scored."""

    def __init__(self, drawing: keras.Variable) -> None:
        super().__init__()
        self.drawing = drawing

    def on_test_begin(self, logs: Any = None) -> None:
        """Take signs."""
        self.drawing.assign(False)

    def on_test_end(self, logs: Any = None) -> None:
        """Draw again."""
        self.drawing.assign(True)
