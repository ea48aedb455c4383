"""Frames of any layout to the model's pixels: what ``bramble_agent.pixels`` makes of a picture, made of a frame.

Where the frame has the model's size there is no Pillow and no new array: the answer is the frame itself or one buffer
that is used again. Else there is one resize. "rgb", "bgr", "gray" and "jpeg" give ``pixels.to_array``'s values to the
bit. Frames of Y, U and V are resized plane by plane, before they become RGB: up to rounding, and colours beyond RGB's
range, that is the same (both are linear), with a tenth of the arithmetic for a large frame and a small model.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Callable, Tuple, Union

import numpy as np

from ..errors import FrameDamaged
from ..pixels import CHANNELS, open_picture, to_array
from .place import Place, place
from .planes import YUV, chroma, luma, packed, row_bytes, whole
from .yuv import Luma, ToGray, ToRgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..wire import Pixels
    from .frame import Format, Frame

    Step = Callable[[NDArray[Any]], NDArray[np.uint8]]
    Halves = Union[Tuple[()], Tuple[NDArray[Any], NDArray[Any]]]


class Converter:
    """Makes the model's pixels of frame after frame; a frame may have another format than the one before."""

    def __init__(self, how: Pixels) -> None:
        self._how = how
        self._format: Format | None = None
        self._step: Step = _never

    def pixels(self, frame: Frame) -> NDArray[np.uint8]:
        """uint8 [height, width, channels], valid until the next call or the end of ``frame``. Raises FrameDamaged."""
        if frame.format is not self._format and frame.format != self._format:
            self._step = _step(frame.format, self._how)
        self._format = frame.format
        return self._step(frame.raw)


def _never(raw: NDArray[Any]) -> NDArray[np.uint8]:
    raise AssertionError("no format yet")


def _step(form: Format, how: Pixels) -> Step:
    same = (form.width, form.height) == (how.width, how.height)
    if form.layout == "jpeg":
        return lambda raw: _decoded(raw, how)
    if form.layout in YUV:
        halves = form.width % 2 == 0 and (form.layout == "yuyv" or form.height % 2 == 0)
        return _Direct(form, how) if same and halves else _ByPlanes(form, how)
    return _Packed(form, how) if same else lambda raw: _resized(raw, form, how)


def _decoded(raw: NDArray[Any], how: Pixels) -> NDArray[np.uint8]:
    try:
        return open_picture(io.BytesIO(raw.data), how)
    except OSError as error:
        raise FrameDamaged(f"a JPEG frame of {raw.size} bytes cannot be decoded: {error}") from error


def _resized(raw: NDArray[Any], form: Format, how: Pixels) -> NDArray[np.uint8]:
    from PIL import Image

    mode, order = ("L", "L") if form.layout == "gray" else ("RGB", form.layout.upper())
    picture = Image.frombuffer(mode, (form.width, form.height), whole(raw, form), "raw", order, row_bytes(form), 1)
    return to_array(picture, how)


class _Packed:
    """Frames of "rgb", "bgr" or "gray" of the model's size."""

    def __init__(self, form: Format, how: Pixels) -> None:
        self._form, self._gray = form, how.color == "gray"
        self._out = np.empty((how.height, how.width, CHANNELS[how.color]), np.uint8)
        self._luma = Luma(self._out.shape[:2])
        self._order = (2, 1, 0) if form.layout == "bgr" else (0, 1, 2)

    def __call__(self, raw: NDArray[Any]) -> NDArray[np.uint8]:
        seen = packed(raw, self._form)
        if seen.ndim == 2:
            seen = seen[..., None]
        as_it_is = seen.shape == self._out.shape and self._form.layout != "bgr"
        if as_it_is and seen.flags.c_contiguous:
            return seen
        if self._gray and seen.shape[2] == 3:
            self._luma(seen, self._out[..., 0], self._order)
        elif as_it_is:
            np.copyto(self._out, seen)
        else:
            for channel in range(3):
                np.copyto(self._out[..., channel], seen[..., 0 if seen.shape[2] == 1 else 2 - channel])
        return self._out


class _Colours:
    """Y as [lines that share a row of U and V, rows, width] with U and V to the model's colours."""

    def __init__(self, shape: Tuple[int, int, int], form: Format, how: Pixels) -> None:
        self.needs_chroma = how.color != "gray" or form.colours.startswith("709")
        self._gray = how.color == "gray"
        if self.needs_chroma:
            self._rgb = ToRgb(shape, form.colours)
            self._luma = Luma(shape)  # Y of BT.709 is not the grey of the pictures that the model was trained on
            self._between = np.empty((*shape, 3), np.uint8) if self._gray else np.empty(0, np.uint8)
        else:
            self._light = ToGray(shape, form.colours)

    def __call__(self, y: NDArray[Any], u_v: Halves, out: NDArray[np.uint8]) -> None:
        if not self.needs_chroma:
            self._light(y, out[..., 0])
        elif u_v:
            self._rgb(y, u_v[0], u_v[1], self._between if self._gray else out)
            if self._gray:
                self._luma(self._between, out[..., 0])


class _Direct:
    """Frames of "yuyv", "nv12" or "yu12" of the model's size: U and V are repeated, as cameras left them out."""

    def __init__(self, form: Format, how: Pixels) -> None:
        self._form = form
        self._out = np.empty((how.height, how.width, CHANNELS[how.color]), np.uint8)
        down = 1 if form.layout == "yuyv" else 2
        self._rows = (how.height // down, down, how.width)
        self._into = self._out.reshape(*self._rows, CHANNELS[how.color]).swapaxes(0, 1)
        self._colours = _Colours((down, how.height // down, how.width), form, how)

    def __call__(self, raw: NDArray[Any]) -> NDArray[np.uint8]:
        y = luma(raw, self._form).reshape(self._rows).swapaxes(0, 1)
        self._colours(y, chroma(raw, self._form) if self._colours.needs_chroma else (), self._into)
        return self._out


class _ByPlanes:
    """Frames of "yuyv", "nv12" or "yu12" of another size: every plane is resized once, to the model's size."""

    def __init__(self, form: Format, how: Pixels) -> None:
        self._form = form
        self._place = place(form.width, form.height, how)
        self._out = np.zeros((how.height, how.width, CHANNELS[how.color]), np.uint8)
        (x, y), (width, height) = self._place.at, self._place.size
        self._into = self._out[None, y : y + height, x : x + width]
        self._colours = _Colours((1, height, width), form, how)
        left, top, right, bottom = self._place.box
        down = 1.0 if form.layout == "yuyv" else 0.5
        self._half = Place((left * 0.5, top * down, right * 0.5, bottom * down), self._place.size)

    def __call__(self, raw: NDArray[Any]) -> NDArray[np.uint8]:
        y = _plane(luma(raw, self._form), self._place)
        u_v: Halves = ()
        if self._colours.needs_chroma:
            u, v = chroma(raw, self._form)
            u_v = _plane(u, self._half), _plane(v, self._half)
        self._colours(y[None], u_v, self._into)
        return self._out


def _plane(plane: NDArray[Any], into: Place) -> NDArray[Any]:
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(picture.resize(into.size, Image.Resampling.BILINEAR, box=into.box))
