"""Frames to pixels: against a slow reference in float, against ``pixels.to_array``, and without new arrays."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from agent.camera.raws import frame, laid, noise, slow_rgb
from bramble_agent.camera.convert import Converter
from bramble_agent.camera.frame import COLOURS, Format
from bramble_agent.camera.planes import needed_bytes
from bramble_agent.errors import FrameDamaged
from bramble_agent.pixels import open_picture, to_array
from bramble_agent.wire import Pixels

RGB, GRAY = Pixels(12, 16), Pixels(12, 16, color="gray")
FITS = ("stretch", "crop", "pad")


def planes(height: int, width: int, layout: str, seed: int = 3) -> list[NDArray[np.uint8]]:
    """Y, U and V of noise."""
    rows = height if layout == "yuyv" else (height + 1) // 2
    sizes = [(height, width), (rows, (width + 1) // 2), (rows, (width + 1) // 2)]
    return [noise(*size, 1, seed + index)[..., 0] for index, size in enumerate(sizes)]


def rounded(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """To the nearest whole number within 0..255."""
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("colours", COLOURS)
@pytest.mark.parametrize(
    ("layout", "stride"), [("yuyv", 0), ("yuyv", 40), ("nv12", 0), ("nv12", 32), ("yu12", 0), ("yu12", 24)]
)
def test_yuv_of_the_models_size(layout: str, stride: int, colours: str) -> None:
    """Every value is the float reference's, rounded (one level is allowed where float32 falls on the other side)."""
    y, u, v = planes(12, 16, layout)
    form = Format(16, 12, layout, stride, colours)
    raw = laid(y, u, v, layout, stride)
    assert raw.size == needed_bytes(form)
    got = Converter(RGB).pixels(frame(raw, form)).astype(int)
    expected = slow_rgb(y, u, v, colours)
    assert np.abs(got - rounded(expected)).max() <= 1
    assert (got != rounded(expected)).mean() < 0.01


@pytest.mark.parametrize("colours", COLOURS)
def test_gray_of_yuv(colours: str) -> None:
    """The grey is that of the RGB picture by BT.601's weights, whatever Y's own were."""
    y, u, v = (plane // 8 + 112 for plane in planes(12, 16, "nv12"))  # no colour beyond RGB's range
    got = Converter(GRAY).pixels(frame(laid(y, u, v, "nv12"), Format(16, 12, "nv12", 0, colours))).astype(int)
    expected = slow_rgb(y, u, v, colours) @ [0.299, 0.587, 0.114]
    assert got.shape == (12, 16, 1)
    assert np.abs(got[..., 0] - expected).max() <= 1.0


def test_known_colours() -> None:
    """The standard's own bars: black, white, and the three primaries of limited BT.601."""
    bars = {(16, 128, 128): (0, 0, 0), (235, 128, 128): (255, 255, 255)}
    bars |= {(81, 90, 240): (254, 0, 0), (145, 54, 34): (0, 255, 1), (41, 240, 110): (0, 0, 255)}
    for (y, u, v), expected in bars.items():
        raw = np.array([y, u, y, v] * 4, np.uint8)
        got = Converter(Pixels(2, 4)).pixels(frame(raw, Format(4, 2, "yuyv")))
        assert np.abs(got.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("how", [RGB, GRAY])
@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize("layout", ["rgb", "bgr", "gray"])
@pytest.mark.parametrize("size", [(12, 16), (25, 40), (7, 9)])
def test_packed_frames_are_the_pixels_of_the_picture(size: tuple[int, int], layout: str, pad: int, how: Pixels) -> None:
    """Frames of "rgb", "bgr" and "gray" of any size, with rows padded or not: to the bit what ``to_array`` gives."""
    depth = 1 if layout == "gray" else 3
    seen = noise(*size, depth)
    shown = seen[..., 0] if depth == 1 else seen[..., ::-1] if layout == "bgr" else seen
    raw = np.pad(seen.reshape(size[0], -1), ((0, 0), (0, pad)))
    form = Format(size[1], size[0], layout, raw.shape[1] if pad else 0)
    expected = to_array(Image.fromarray(np.ascontiguousarray(shown)), how)
    assert np.array_equal(Converter(how).pixels(frame(raw, form)), expected)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(90, 120), (96, 96), (33, 47), (120, 50), (8, 10)])
def test_gray_planes_are_placed_as_pictures_are(size: tuple[int, int], fit: str) -> None:
    """Y of full range alone is a grey picture: crop, pad and stretch must give ``to_array``'s bits at any size."""
    how = Pixels(24, 32, color="gray", fit=fit)
    y, u, v = planes(*size, "yu12")
    got = Converter(how).pixels(frame(laid(y, u, v, "yu12"), Format(size[1], size[0], "yu12", 0, "601-full")))
    assert np.array_equal(got, to_array(Image.fromarray(y), how))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    ("layout", "size"), [("yuyv", (60, 80)), ("nv12", (60, 80)), ("yu12", (60, 80)), ("yu12", (61, 83))]
)
def test_planes_resized_one_by_one(layout: str, size: tuple[int, int], fit: str) -> None:
    """Resizing the planes gives the picture that resizing the RGB picture gives, but for rounding and edges."""
    how = Pixels(24, 32, fit=fit)
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    y = (60 + 100 * rows / size[0] + 40 * (columns // 8 % 2)).astype(np.uint8)
    u = (108 + 40 * columns[::2, ::2] / size[1]).astype(np.uint8)
    v = (148 - 40 * rows[::2, ::2] / size[0]).astype(np.uint8)
    if layout == "yuyv":
        u, v = (plane.repeat(2, axis=0) for plane in (u, v))
    expected = to_array(Image.fromarray(rounded(slow_rgb(y, u, v, "601"))), how).astype(int)
    got = Converter(how).pixels(frame(laid(y, u, v, layout), Format(size[1], size[0], layout))).astype(int)
    assert np.abs(got - expected).max() <= 4
    assert np.abs(got - expected).mean() < 1


@pytest.mark.parametrize("fit", FITS)
def test_jpeg_frames(fit: str) -> None:
    """A JPEG frame is a picture file, decoded at a fraction of its size where that is allowed."""
    file = io.BytesIO()
    smooth = Image.fromarray(noise(12, 16, 3)).resize((640, 480), Image.Resampling.BICUBIC)
    smooth.save(file, "JPEG", quality=90)
    how = Pixels(48, 64, fit=fit)
    got = Converter(how).pixels(frame(np.frombuffer(file.getvalue(), np.uint8), Format(640, 480, "jpeg")))
    assert np.array_equal(got, open_picture(io.BytesIO(file.getvalue()), how))


def without_tables(jpeg: bytes) -> bytes:
    """Without the Huffman tables, as many USB cameras send JPEG."""
    out, at = jpeg[:2], 2
    while jpeg[at + 1] != 0xDA:
        length = 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        out += b"" if jpeg[at + 1] == 0xC4 else jpeg[at : at + length]
        at += length
    return out + jpeg[at:]


def test_motion_jpeg_without_huffman_tables() -> None:
    """The standard's tables stand in for those that are not sent; bytes behind the picture do not matter."""
    file = io.BytesIO()
    Image.fromarray(noise(48, 64, 3)).save(file, "JPEG")
    bare = without_tables(file.getvalue())
    assert len(bare) < len(file.getvalue())
    converter, form = Converter(Pixels(48, 64)), Format(64, 48, "jpeg")
    got = converter.pixels(frame(np.frombuffer(bare + bytes(100), np.uint8), form))
    assert np.array_equal(got, open_picture(file, Pixels(48, 64)))


@pytest.mark.parametrize("layout", ["rgb", "gray", "yuyv", "nv12", "yu12"])
@pytest.mark.parametrize("size", [(12, 16), (24, 32)])
def test_short_frames_are_damaged(layout: str, size: tuple[int, int]) -> None:
    """A frame that lacks a byte is told from a whole one, and the next one is converted."""
    form = Format(size[1], size[0], layout)
    raw = np.zeros(needed_bytes(form), np.uint8)
    converter = Converter(RGB)
    with pytest.raises(FrameDamaged, match=f"{size[1]}x{size[0]} {layout}"):
        converter.pixels(frame(raw[:-1], form))
    assert converter.pixels(frame(raw, form)).shape == (12, 16, 3)


@pytest.mark.parametrize("jpeg", [b"", b"\xff\xd8", b"no picture at all" * 9])
def test_jpeg_that_is_none(jpeg: bytes) -> None:
    """What cannot be decoded is a damaged frame, never Pillow's own error."""
    with pytest.raises(FrameDamaged, match="JPEG"):
        Converter(RGB).pixels(frame(np.frombuffer(jpeg, np.uint8), Format(16, 12, "jpeg")))


def test_truncated_jpeg() -> None:
    """A JPEG cut in the middle is damaged; half a picture is never shown to the model."""
    file = io.BytesIO()
    Image.fromarray(noise(48, 64, 3)).save(file, "JPEG")
    half = np.frombuffer(file.getvalue()[: len(file.getvalue()) // 2], np.uint8)
    with pytest.raises(FrameDamaged, match="JPEG"):
        Converter(RGB).pixels(frame(half, Format(64, 48, "jpeg")))


def test_formats_may_change_with_the_frame() -> None:
    """A stream that changes its resolution in the middle is converted by the new frame's format."""
    converter = Converter(GRAY)
    for width, height in ((16, 12), (32, 24), (16, 12)):
        raw = np.full(width * height, width, np.uint8)
        assert set(converter.pixels(frame(raw, Format(width, height, "gray"))).flat) == {width}


@pytest.mark.parametrize("color", ["rgb", "gray"])
@pytest.mark.parametrize("colours", ["601", "601-full", "709"])
@pytest.mark.parametrize("layout", ["rgb", "bgr", "gray", "yuyv", "nv12", "yu12"])
def test_no_array_is_made_per_frame(layout: str, colours: str, color: str) -> None:
    """At the model's size, ten frames leave nothing behind and never need more than a hundredth of a picture."""
    form = Format(320, 240, layout, 0, colours)
    one = frame(np.full(needed_bytes(form), 100, np.uint8), form)
    converter = Converter(Pixels(240, 320, color=color))
    converter.pixels(one)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(10):
        converter.pixels(one)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 4096
    assert peak - before < 8192
