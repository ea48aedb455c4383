"""Y, U and V to RGB or to grey, in few NumPy operations and without a new array per frame.

    R = k(Y − y0) + 2(1 − Kr)s(V − 128)         limited: k = 255/219, y0 = 16, s = 255/224;  full: k = s = 1, y0 = 0
    B = k(Y − y0) + 2(1 − Kb)s(U − 128)         BT.601: Kr = 0.299, Kb = 0.114;  BT.709: Kr = 0.2126, Kb = 0.0722
    G = k(Y − y0) − [2Kb(1 − Kb)s(U − 128) + 2Kr(1 − Kr)s(V − 128)]/(1 − Kr − Kb)

(ITU-R BT.601-7 and BT.709-6; full range as in JFIF). float32 was measured faster than 16-bit tables and than int32 at
every size, with NumPy's SIMD loops. Results are rounded to the nearest and clipped to 0..255.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Tuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KR_KB = {"601": (0.299, 0.114), "709": (0.2126, 0.0722)}


@dataclass(frozen=True)
class Weights:
    """What U, V and 1 weigh in R, G and B; Y weighs ``luma`` in each. The 0.5 of rounding is in the constants."""

    luma: float
    red: Tuple[float, float, float]
    green: Tuple[float, float, float]
    blue: Tuple[float, float, float]


def weights(colours: str) -> Weights:
    """The matrix of one of ``frame.COLOURS``."""
    kr, kb = _KR_KB[colours[:3]]
    gain, low, spread = (1.0, 0.0, 1.0) if colours.endswith("-full") else (255 / 219, 16.0, 255 / 224)
    share = 1 - kr - kb

    def row(u: float, v: float) -> Tuple[float, float, float]:
        return u * spread, v * spread, 0.5 - gain * low - 128 * spread * (u + v)

    green = row(-2 * kb * (1 - kb) / share, -2 * kr * (1 - kr) / share)
    return Weights(gain, row(0, 2 * (1 - kr)), green, row(2 * (1 - kb), 0))


class ToRgb:
    """Planes of fixed shapes to RGB: Y as [lines that share a row of U and V, rows, width].

    U and V are [rows, width or half of it]. Half-wide ones are spread before anything is computed: an addition that
    repeats its columns by broadcasting costs seven times one that repeats whole lines.
    """

    def __init__(self, luma: Tuple[int, int, int], colours: str) -> None:
        self._weights = weights(colours)
        self._light, self._sum = np.empty(luma, np.float32), np.empty(luma, np.float32)
        lines = luma[1:]
        self._u, self._v = np.empty(lines, np.float32), np.empty(lines, np.float32)
        self._shade, self._more = np.empty(lines, np.float32), np.empty(lines, np.float32)

    def __call__(self, y: NDArray[Any], u: NDArray[Any], v: NDArray[Any], out: NDArray[np.uint8]) -> None:
        """Fill ``out`` (uint8, Y's shape and a last axis of 3)."""
        of = self._weights
        np.copyto(self._light, y)  # casting within a multiplication would take NumPy's buffers
        np.multiply(self._light, of.luma, out=self._light)
        _spread(u, self._u)
        _spread(v, self._v)
        for channel, (by_u, by_v, constant) in enumerate((of.red, of.green, of.blue)):
            np.multiply(self._u if by_u else self._v, by_u or by_v, out=self._shade)
            if by_u and by_v:
                np.multiply(self._v, by_v, out=self._more)
                np.add(self._shade, self._more, out=self._shade)
            np.add(self._shade, constant, out=self._shade)
            for light, total in zip(self._light, self._sum):  # broadcasting would take NumPy's buffers
                np.add(light, self._shade, out=total)
            np.clip(self._sum, 0, 255, out=self._sum)
            np.copyto(out[..., channel], self._sum, casting="unsafe")


def _spread(plane: NDArray[Any], into: NDArray[np.float32]) -> None:
    if plane.shape == into.shape:
        np.copyto(into, plane)
    else:
        np.copyto(into[:, 0::2], plane)
        np.copyto(into[:, 1::2], plane)


class ToGray:
    """Y to the grey that BT.601's RGB would have: Y itself, drawn to 0..255 where its range is limited."""

    def __init__(self, shape: Tuple[int, ...], colours: str) -> None:
        self._weights = weights(colours)
        self._full = colours.endswith("-full")
        self._sum = np.empty(shape, np.float32)

    def __call__(self, y: NDArray[Any], out: NDArray[np.uint8]) -> None:
        """Fill ``out`` (uint8, Y's shape)."""
        if self._full:
            np.copyto(out, y)
            return
        of = self._weights
        np.copyto(self._sum, y)
        np.multiply(self._sum, of.luma, out=self._sum)
        np.add(self._sum, 0.5 - 16 * of.luma, out=self._sum)
        np.clip(self._sum, 0, 255, out=self._sum)
        np.copyto(out, self._sum, casting="unsafe")


class Luma:
    """RGB to grey, to the bit as Pillow does it: (19595 R + 38470 G + 7471 B + 32768) / 65536."""

    def __init__(self, shape: Tuple[int, ...]) -> None:
        self._sum, self._term = np.empty(shape, np.int32), np.empty(shape, np.int32)

    def __call__(self, rgb: NDArray[Any], out: NDArray[np.uint8], order: Tuple[int, int, int] = (0, 1, 2)) -> None:
        """Fill ``out`` (uint8, without the last axis of ``rgb``); ``order`` is where R, G and B are."""
        red, green, blue = order
        np.copyto(self._sum, rgb[..., red])
        np.multiply(self._sum, 19595, out=self._sum)
        for channel, weight in ((green, 38470), (blue, 7471)):
            np.copyto(self._term, rgb[..., channel])
            np.multiply(self._term, weight, out=self._term)
            np.add(self._sum, self._term, out=self._sum)
        np.add(self._sum, 0x8000, out=self._sum)
        np.right_shift(self._sum, 16, out=self._sum)
        np.copyto(out, self._sum, casting="unsafe")
