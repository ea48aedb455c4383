"""The planes of a raw frame as views: nothing is copied, and a frame that is too short is told from a whole one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Tuple

from ..errors import FrameDamaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .frame import Format

YUV = ("yuyv", "nv12", "yu12")
_PACKED = {"rgb": 3, "bgr": 3, "gray": 1, "yuyv": 2}


def row_bytes(form: Format) -> int:
    """Bytes from one row of the first plane to the next."""
    return form.stride or form.width * _PACKED.get(form.layout, 1)


def needed_bytes(form: Format) -> int:
    """Bytes that a frame of this format has at least; 0 for "jpeg"."""
    if form.layout == "jpeg":
        return 0
    luma = row_bytes(form) * form.height
    rows = (form.height + 1) // 2
    if form.layout == "nv12":
        return luma + row_bytes(form) * rows
    return luma + 2 * _chroma_row(form) * rows if form.layout == "yu12" else luma


def whole(raw: NDArray[Any], form: Format) -> NDArray[Any]:
    """The bytes of the frame, without what a buffer has behind them. Raises FrameDamaged for a short one."""
    needed = needed_bytes(form)
    if raw.size < needed:
        raise FrameDamaged(f"a frame of {raw.size} bytes, where {form.width}x{form.height} {form.layout} has {needed}")
    return raw[:needed] if needed else raw


def packed(raw: NDArray[Any], form: Format) -> NDArray[Any]:
    """A frame of "rgb", "bgr" (both [height, width, 3]) or "gray" ([height, width]) as a view."""
    depth = _PACKED[form.layout]
    rows = whole(raw, form).reshape(form.height, row_bytes(form))[:, : form.width * depth]
    return rows if depth == 1 else rows.reshape(form.height, form.width, depth)


def luma(raw: NDArray[Any], form: Format) -> NDArray[Any]:
    """Y of a frame of one of YUV, as a view [height, width]."""
    rows = whole(raw, form)[: row_bytes(form) * form.height].reshape(form.height, row_bytes(form))
    return rows[:, 0 : 2 * form.width : 2] if form.layout == "yuyv" else rows[:, : form.width]


def chroma(raw: NDArray[Any], form: Format) -> Tuple[NDArray[Any], NDArray[Any]]:
    """U and V of a frame of one of YUV, as views: half as wide as Y (rounded up), half as high but for "yuyv"."""
    stride, columns, rows = row_bytes(form), (form.width + 1) // 2, (form.height + 1) // 2
    if form.layout == "yuyv":
        both = whole(raw, form).reshape(form.height, stride)
        return both[:, 1 : 4 * columns : 4], both[:, 3 : 4 * columns : 4]
    behind = whole(raw, form)[stride * form.height :]
    if form.layout == "nv12":
        both = behind.reshape(rows, stride)
        return both[:, 0 : 2 * columns : 2], both[:, 1 : 2 * columns : 2]
    row = _chroma_row(form)
    return behind[: row * rows].reshape(rows, row)[:, :columns], behind[row * rows :].reshape(rows, row)[:, :columns]


def _chroma_row(form: Format) -> int:
    return form.stride // 2 if form.stride else (form.width + 1) // 2
