"""What rounding did to values: signal against noise, clipping, and how much of the 256 steps is used.

    SQNR = 10·log10(Σ x² / Σ (x − x̂)²) dB: 6 dB are one bit        clipped = Σ (|x| beyond the range's ends) / Σ |x|
    bits = −Σ p_q·log2 p_q over the integers q that occur: 8 where all are as likely, 0 where there is one alone

Values come picture by picture; only sums are kept.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS = 256
Grid = tuple[float, int]  # scale and zero point


def sqnr_db(signal: float, noise: float) -> float:
    """From sums of squares; infinite without noise, −infinite for noise alone."""
    if not noise:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal else -math.inf


def bits(counts: NDArray[np.int64]) -> float:
    """The entropy of integers that occur so often."""
    shares = counts[counts > 0] / max(1, counts.sum())
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def histogram(values: NDArray[Any]) -> NDArray[np.int64]:
    """How often each int8 occurs, [256]."""
    return np.bincount(values.astype(np.int64).ravel() + STEPS // 2, minlength=STEPS)


class Figures:
    """Sums over pictures of one tensor: as it should be (float), as it is, and as its grid alone would make it."""

    def __init__(self, grid: Grid | None) -> None:
        self.grid = grid
        self.low, self.high = math.inf, -math.inf
        self.counts: NDArray[np.int64] = np.zeros(STEPS, np.int64)
        self._signal = self._noise = self._own = 0.0
        self._clipped = self._mass = 0.0

    def add(self, expected: NDArray[np.float32], got: NDArray[Any]) -> None:
        """Look at one picture's values, and at the integers (or floats) that are there instead."""
        right = expected.astype(np.float64).ravel()
        self.low, self.high = min(self.low, float(right.min())), max(self.high, float(right.max()))
        self._signal += float(right @ right)
        self._mass += float(np.abs(right).sum())
        if self.grid is None:
            off = got.astype(np.float64).ravel() - right
            self._noise += float(off @ off)
            return
        scale, zero = self.grid
        off = (got.astype(np.float64).ravel() - zero) * scale - right
        steps = np.round(right / scale) + zero
        alone = (np.clip(steps, -STEPS // 2, STEPS // 2 - 1) - zero) * scale - right
        self._noise += float(off @ off)
        self._own += float(alone @ alone)
        low, high = (-STEPS // 2 - zero) * scale, (STEPS // 2 - 1 - zero) * scale
        self._clipped += float(np.abs(right - np.clip(right, low, high)).sum())
        self.counts += histogram(got)

    @property
    def db(self) -> float:
        """SQNR of what is there: what came in already off is in it."""
        return sqnr_db(self._signal, self._noise)

    @property
    def own_db(self) -> float:
        """SQNR of rounding and clipping the right values here alone."""
        return sqnr_db(self._signal, self._own)

    @property
    def clipped(self) -> float:
        """The share of the right values' mass that lies beyond the range."""
        return self._clipped / self._mass if self._mass else 0.0

    @property
    def ends(self) -> tuple[float, float] | None:
        """The least and the largest value that the grid holds."""
        if self.grid is None:
            return None
        scale, zero = self.grid
        return (-STEPS // 2 - zero) * scale, (STEPS // 2 - 1 - zero) * scale
