"""A decoded frame of PyAV to our layouts: its planes are copied as they are where we have their layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..frame import Format

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PLAIN = {"yuv420p": "yu12", "yuvj420p": "yu12", "gray": "gray", "rgb24": "rgb", "bgr24": "bgr"}
_DEPTH = {"rgb": 3, "bgr": 3}
BT709, FULL_RANGE = 1, 2  # AVCOL_SPC_BT709, AVCOL_RANGE_JPEG


class Unpacker:
    """Puts frame after frame into one buffer, which is valid until the next."""

    def __init__(self) -> None:
        self._buffer: NDArray[Any] = np.empty(0, np.uint8)

    def unpack(self, frame: Any) -> tuple[Format, NDArray[Any]]:
        """The format and the bytes of an ``av.VideoFrame``, without padding. Odd pixel formats become "rgb"."""
        if frame.format.name not in _PLAIN:
            frame = frame.reformat(format="rgb24")
        form = _format(frame)
        columns, rows = (form.width + 1) // 2, (form.height + 1) // 2
        sizes = [(form.height, form.width * _DEPTH.get(form.layout, 1))]
        sizes += [(rows, columns)] * 2 if form.layout == "yu12" else []
        needed = sum(high * wide for high, wide in sizes)
        if self._buffer.size != needed:
            self._buffer = np.empty(needed, np.uint8)
        at = 0
        for (high, wide), plane in zip(sizes, frame.planes):
            seen = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:high, :wide]
            np.copyto(self._buffer[at : at + high * wide].reshape(high, wide), seen)
            at += high * wide
        return form, self._buffer


def _format(frame: Any) -> Format:
    # Debian Bookworm's PyAV 10 does not tell: then by the format's name alone
    colours = "709" if getattr(frame, "colorspace", 0) == BT709 else "601"
    full = frame.format.name == "yuvj420p" or getattr(frame, "color_range", 0) == FULL_RANGE
    return Format(frame.width, frame.height, _PLAIN[frame.format.name], 0, colours + ("-full" if full else ""))
