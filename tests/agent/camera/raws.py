"""Raw frames by hand: pictures laid out as cameras do, one pixel at a time, and the slow way back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bramble_agent.camera.frame import Format, Frame

KR_KB = {"601": (0.299, 0.114), "709": (0.2126, 0.0722)}


def frame(raw: NDArray[Any], form: Format, number: int = 0) -> Frame:
    """A frame of these bytes."""
    return Frame(number, np.ascontiguousarray(raw).reshape(-1), form, 0)


def noise(height: int, width: int, depth: int, seed: int = 7) -> NDArray[np.uint8]:
    """Bytes of every value, in any order: the hardest picture there is."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, depth), dtype=np.uint8)


def laid(y: NDArray[Any], u: NDArray[Any], v: NDArray[Any], layout: str, stride: int = 0) -> NDArray[np.uint8]:
    """Planes (U and V at half the size, rounded up; for "yuyv" of full height) as the bytes of a frame, row by row."""
    height, width = y.shape
    rows: list[list[int]] = []
    if layout == "yuyv":
        for line in range(height):
            row: list[int] = []
            for column in range(0, width, 2):
                half = column // 2
                row += [y[line, column], u[line, half], y[line, column + 1], v[line, half]]
            rows.append(row + [0] * (max(stride, 2 * width) - len(row)))
        return np.array(rows, np.uint8).reshape(-1)
    wide = stride or width
    rows = [[*line, *[0] * (wide - width)] for line in y.tolist()]
    if layout == "nv12":
        for first, second in zip(u.tolist(), v.tolist(), strict=True):
            row = [value for pair in zip(first, second, strict=True) for value in pair]
            rows.append(row + [0] * (wide - len(row)))
    else:
        half = stride // 2 if stride else (width + 1) // 2
        rows += [[*line, *[0] * (half - len(line))] for plane in (u, v) for line in plane.tolist()]
    return np.array([value for row in rows for value in row], np.uint8)


def slow_rgb(y: NDArray[Any], u: NDArray[Any], v: NDArray[Any], colours: str) -> NDArray[np.float64]:
    """RGB in float, unrounded and unclipped, [height, width, 3]: the equations of the standards, pixel by pixel."""
    kr, kb = KR_KB[colours[:3]]
    full = colours.endswith("-full")
    height, width = y.shape
    out = np.zeros((height, width, 3))
    for line in range(height):
        for column in range(width):
            at = (line * u.shape[0] // height, column // 2)
            light = y[line, column] / 255 if full else (float(y[line, column]) - 16) / 219
            blue, red = ((float(plane[at]) - 128) / (255 if full else 224) for plane in (u, v))
            r, b = light + 2 * (1 - kr) * red, light + 2 * (1 - kb) * blue
            out[line, column] = [255 * r, 255 * (light - kr * r - kb * b) / (1 - kr - kb), 255 * b]
    return out
