"""Masks on kernels: zeros that stay zero while a model trains, and the schedule by which they spread.

A mask is a Keras variable of ones and zeros, held as the kernel's ``constraint``: after every optimiser step the kernel
is multiplied by it, so forward pass and gradients through it see zeros. ``keep_highest`` says which weights stay.

Cubic schedule: density(t) = d + (d₀ − d)·(1 − t/T)³ (Zhu & Gupta 2017, 1710.01878).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.held.seen import own_kernel

Scores = list[NDArray[np.float64]]
Masks = list[NDArray[np.bool_]]


@dataclass(frozen=True)
class Masked:
    """A layer whose kernel is pruned, with its mask (float32, 1 keeps)."""

    layer: keras.Layer
    mask: keras.Variable

    @property
    def kernel(self) -> Any:
        """The layer's kernel variable."""
        return own_kernel(self.layer)


def prunable(model: keras.Model) -> list[keras.Layer]:
    """The layers whose kernels can be pruned: dense, convolution and depthwise ones, in order."""
    kinds = (keras.layers.Dense, keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    return [layer for layer in model.layers if isinstance(layer, kinds)]


@contextmanager
def masked(layers: Sequence[keras.Layer]) -> Iterator[list[Masked]]:
    """While inside, the layers' kernels are multiplied by masks (all ones at first) after every optimiser step."""
    held = [open_mask(layer) for layer in layers]
    before = [one.kernel.constraint for one in held]
    for one in held:
        one.kernel.constraint = _Hold(one.mask, one.kernel.constraint)
    try:
        yield held
    finally:
        for one, constraint in zip(held, before, strict=True):
            one.kernel.constraint = constraint


def open_mask(layer: keras.Layer) -> Masked:
    """The layer with a mask of ones, held by nothing yet."""
    return Masked(layer, keras.Variable(np.ones(own_kernel(layer).shape, np.float32), trainable=False))


def set_masks(held: Sequence[Masked], masks: Masks) -> None:
    """Set the masks alone."""
    for one, mask in zip(held, masks, strict=True):
        one.mask.assign(mask.astype(np.float32))


def put(held: Sequence[Masked], masks: Masks) -> None:
    """Set the masks, and zero what they remove at once."""
    set_masks(held, masks)
    for one, mask in zip(held, masks, strict=True):
        one.kernel.assign(np.asarray(one.kernel) * mask)


def keep_highest(scores: Scores, density: float, scope: str) -> Masks:
    """True for the share ``density`` of weights with the highest scores, over all layers or in each ("local")."""
    if scope == "local":
        return [_keep(score, density) for score in scores]
    flat = _keep(np.concatenate([score.ravel() for score in scores]), density)
    ends = np.cumsum([score.size for score in scores])[:-1]
    return [part.reshape(score.shape) for part, score in zip(np.split(flat, ends), scores, strict=True)]


def density_at(done: float, density: float, ramp: str, start: float = 1.0) -> float:
    """The density after the share ``done`` (0..1) of the ramp that begins at ``start``."""
    left = {"one-shot": 0.0, "linear": 1.0 - done, "cubic": (1.0 - done) ** 3}[ramp]
    return density + (start - density) * left


def draw(scores: Scores, seed: int) -> Scores:
    """Random keys whose highest are a draw without replacement, likelier for higher scores (Efraimidis & Spirakis)."""
    generator = np.random.default_rng(seed)
    return [np.log(generator.random(score.shape)) / np.maximum(score, 1e-12) for score in scores]


class Ramp(keras.callbacks.Callback):  # type: ignore[misc]
    """Spread the masks while training: ``update(share done)`` at the start, then every ``every`` of ``steps`` steps."""

    def __init__(self, update: Callable[[float], None], steps: int, every: int) -> None:
        super().__init__()
        self._update, self._steps, self._every, self._done = update, max(1, steps), every, 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the ramp."""
        self._update(0.0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Go on, until the ramp's end."""
        self._done += 1
        if self._done <= self._steps and (self._done % self._every == 0 or self._done == self._steps):
            self._update(self._done / self._steps)


class _Hold(keras.constraints.Constraint):  # type: ignore[misc]
    """Multiply by a mask, after the constraint that the kernel has of its own."""

    def __init__(self, mask: keras.Variable, own: Any) -> None:
        self.mask, self.own = mask, own

    def __call__(self, kernel: Any) -> Any:
        kernel = kernel if self.own is None else self.own(kernel)
        return kernel * keras.ops.cast(self.mask, kernel.dtype)


def _keep(scores: NDArray[np.float64], density: float) -> NDArray[np.bool_]:
    kept = max(1, round(density * scores.size))
    order = np.argpartition(scores.ravel(), scores.size - kept)
    mask = np.zeros(scores.size, bool)
    mask[order[scores.size - kept :]] = True
    return mask.reshape(scores.shape)
