"""Scales of biases that follow from those of weights: each is float32(scale of the input · scale of the weight)."""

from __future__ import annotations

import numpy as np

from bramble.packing.candidate import Scales
from bramble_agent.unpacking.contents import product


def products(words: dict[int, Scales]) -> dict[int, tuple[int, int]]:
    """For vectors of scales by place: of which other one, and by which factor (bits of float32), they are products."""
    found: dict[int, tuple[int, int]] = {}
    for at, scales in sorted(words.items(), key=lambda item: _zero_bits(item[1])):  # the coarser ones are kept
        for source, others in words.items():
            if source != at and source not in found and len(scales) == len(others):
                factor = _factor(scales, others)
                if factor is not None and at not in (held for held, _ in found.values()):
                    found[at] = (source, factor)
                    break
    return found


def _zero_bits(scales: Scales) -> int:
    """How many of their low bits are zero."""
    return sum((word & -word).bit_length() for word in scales.tolist())


def _factor(scales: Scales, others: Scales) -> int | None:
    """The factor, or None if there is none."""
    with np.errstate(all="ignore"):
        ratio = scales.view(np.float32).astype(np.float64) / others.view(np.float32)
        middle = np.array([np.median(ratio)], np.float32).view(np.uint32)[0]
    for near in range(-4, 5):
        factor = int(middle) + near
        if 0 <= factor < 1 << 32 and np.array_equal(product(others, factor), scales):
            return factor
    return None
