"""Which part of a frame goes where in the model's picture: the geometry of ``Pixels.fit``.

The same figures as Pillow's ``ImageOps.fit`` and ``ImageOps.pad``, which ``bramble_agent.pixels`` uses, so that planes
of a frame can be resized one by one as the whole picture would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

from ..wire import Pixels


@dataclass(frozen=True)
class Place:
    """``box`` (left, top, right, bottom) of the frame becomes ``size`` (width, height) pixels at ``at`` (x, y)."""

    box: Tuple[float, float, float, float]
    size: Tuple[int, int]
    at: Tuple[int, int] = (0, 0)


def place(width: int, height: int, how: Pixels) -> Place:
    """Where a frame of ``width`` × ``height`` pixels comes to lie in the model's picture."""
    whole = (0.0, 0.0, float(width), float(height))
    if how.fit == "crop":
        return Place(_cut(width, height, how.width / how.height), (how.width, how.height))
    if how.fit == "pad":
        size = _contained(width, height, how)
        x, y = round((how.width - size[0]) * 0.5), round((how.height - size[1]) * 0.5)
        return Place(whole, size, (x, y))
    return Place(whole, (how.width, how.height))


def alike(one: Pixels, other: Pixels) -> bool:
    """Whether the same frames serve both: what the values then become is each model's own business."""
    return _shape(one) == _shape(other)


def serving(wanted: Sequence[Pixels]) -> Pixels:
    """Pixels of frames from which the pictures of all models can be made, by one resize each.

    Of one shape and fit: the largest of them. Else the whole of what the camera sees, in a square that is so large that
    a field of up to 2 : 1 in it is no smaller than any of the models' pictures.
    """
    largest = max(wanted, key=lambda one: one.height * one.width)
    color = "gray" if all(one.color == "gray" for one in wanted) else "rgb"
    if all(one.fit == largest.fit and one.height * largest.width == one.width * largest.height for one in wanted):
        return Pixels(largest.height, largest.width, color, fit=largest.fit)
    edge = 2 * max(side for one in wanted for side in (one.height, one.width))
    return Pixels(edge, edge, color, fit="pad")


def _shape(one: Pixels) -> Tuple[int, int, str, str]:
    return one.height, one.width, one.color, one.fit


def _cut(width: int, height: int, ratio: float) -> Tuple[float, float, float, float]:
    wide, high = float(width), float(height)
    if width / height >= ratio:
        wide = ratio * height
    else:
        high = width / ratio
    left, top = (width - wide) * 0.5, (height - high) * 0.5
    return left, top, left + wide, top + high


def _contained(width: int, height: int, how: Pixels) -> Tuple[int, int]:
    if width / height > how.width / how.height:
        return how.width, max(1, round(height / width * how.width))
    return max(1, round(width / height * how.height)), how.height
