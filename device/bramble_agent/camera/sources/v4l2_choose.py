"""Which of a camera's formats and sizes is read: the one that costs least to make the model's picture of.

A size is never chosen below the model's where the camera has one above. Among the others a frame's cost is its pixels
times what a pixel of its layout was measured to cost: planes are resized alone, RGB three times as slowly, JPEG is
decoded first. At the model's own size RGB is free, and nothing is resized.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

from ...wire import Pixels

_COLOUR = {"nv12": 2.0, "yu12": 2.0, "yuyv": 3.0, "rgb": 7.0, "bgr": 7.0, "jpeg": 10.0, "gray": 1000.0}
_GRAY = {"gray": 1.0, "nv12": 1.1, "yu12": 1.1, "yuyv": 1.3, "rgb": 2.0, "bgr": 2.0, "jpeg": 8.0}
_ALREADY = {"rgb": 1.0, "bgr": 1.2}


@dataclass(frozen=True)
class Offer:
    """A format (its four characters, and ours) with the sizes from ``smallest`` to ``largest`` in steps."""

    code: str
    layout: str
    smallest: Tuple[int, int]
    largest: Tuple[int, int]
    step: Tuple[int, int] = (1, 1)

    def nearest(self, size: Tuple[int, int]) -> Tuple[int, int]:
        """The smallest size offered that is not below ``size``, or the largest."""
        got = []
        for wanted, low, high, step in zip(size, self.smallest, self.largest, self.step):
            steps = -(-max(0, wanted - low) // max(1, step))
            got.append(min(low + steps * max(1, step), high))
        return got[0], got[1]


def choose(offers: Sequence[Offer], size: Tuple[int, int], wanted: Pixels) -> Tuple[Offer, Tuple[int, int]]:
    """The best offer for a model, and its size (width, height). There must be one."""
    options = [(offer, offer.nearest(size)) for offer in offers]
    return min(options, key=lambda option: _cost(option[0].layout, option[1], size, wanted))


def _cost(layout: str, has: Tuple[int, int], size: Tuple[int, int], wanted: Pixels) -> Tuple[bool, float, float]:
    weights = _GRAY if wanted.color == "gray" else _COLOUR
    weight, area = weights[layout], float(has[0] * has[1])
    if has == (wanted.width, wanted.height) and wanted.color != "gray":
        weight = _ALREADY.get(layout, weight)
    if has[0] < size[0] or has[1] < size[1]:
        return True, -area, weight
    return False, area * weight, weight
