"""Find the few numbers that a layer's weights share, from the integers that its channels' scales made of them.

An integer q in a channel of scale s stands for any real weight in ((|q| - ½) s, (|q| + ½) s) with its sign. The fewest
levels that hit all those intervals are found by sorting them by their ends and taking a level only where the last one
does not hit (stabbing of intervals: greedy is optimal). Each level may then lie anywhere in the intersection of the
intervals that it hits: all are put on the coarsest grid of a power of 2 that has a point in each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bramble_agent.unpacking.levels import integers, real

MOST = 128  # levels; with more of them int8 is as good
FINEST = 40  # halvings of the largest level
INSIDE = 1e-9  # of an interval's width is kept from its ends, where rounding is not sure


@dataclass(frozen=True)
class Levels:
    """Levels in units of the float32 whose bits ``step`` has; 0: they are integers as they are."""

    levels: tuple[int, ...]
    step: int


def integer_levels(weights: NDArray[np.int8]) -> Levels | None:
    """The different weights other than 0, if they are few."""
    found = np.unique(weights[weights != 0])
    return Levels(tuple(map(int, found)), 0) if 0 < len(found) <= MOST else None


def shared_levels(weights: NDArray[np.int8], axis: int, scales: NDArray[np.uint32] | None) -> Levels | None:
    """Levels that the weights other than 0 are, given the scales of the channels along ``axis``, if they are few."""
    if scales is None or not np.all(scales.view(np.float32) > 0):
        return None
    by_channel = weights if axis == 0 else weights.T
    channels, columns = np.nonzero(by_channel)
    pairs = np.unique(np.stack([channels, by_channel[channels, columns].astype(np.int64)]), axis=1)
    wide = scales.view(np.float32).astype(np.float64)[pairs[0]]
    low, high = (pairs[1] - 0.5 + INSIDE) * wide, (pairs[1] + 0.5 - INSIDE) * wide
    spans = _stabbed(low, high)
    if spans is None or not len(spans):
        return None
    levels = _on_grid(spans)
    if levels is None:
        return None
    table = integers(np.array(levels.levels), levels.step, scales)
    hit = (table[pairs[0]] == pairs[1][:, None]).any(1)
    return levels if hit.all() else None


def _stabbed(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The intersections [levels, 2] of the intervals that each level hits; None where there are too many."""
    spans: list[list[float]] = []
    order = np.argsort(high, kind="stable")
    for start, end in zip(low[order].tolist(), high[order].tolist(), strict=True):
        if not spans or start > spans[-1][1]:
            spans.append([start, end])
        else:
            spans[-1][0] = max(spans[-1][0], start)
        if len(spans) > MOST:
            return None
    return np.array(spans)


def _on_grid(spans: NDArray[np.float64]) -> Levels | None:
    """The levels on the coarsest grid that has a point in each span."""
    exponent = int(np.ceil(np.log2(np.abs(spans).max())))
    for finer in range(FINEST):
        word = int(np.array([2.0 ** (exponent - finer)], np.float32).view(np.uint32)[0])
        step = real(word)
        points = np.ceil(spans[:, 0] / step)
        if np.all(points * step <= spans[:, 1]) and np.abs(points).max() < 1 << 30:
            return Levels(tuple(map(int, points)), word)
    return None
