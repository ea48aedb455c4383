"""From picture to input: tables and colours against numbers worked out by hand, decoding against Pillow's full path."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bramble_agent.pixels import open_picture, table, to_array, to_input
from bramble_agent.wire import Pixels, TensorSpec

P = np.arange(256)


def tensor(dtype: str, scale: float = 0.0, zero_point: int = 0) -> TensorSpec:
    """An input tensor; its shape does not matter here."""
    return TensorSpec("in", (1,), dtype, scale, zero_point)


def png(picture: Image.Image, **how: Any) -> io.BytesIO:
    """The picture as a lossless file."""
    file = io.BytesIO()
    picture.save(file, "PNG", **how)
    file.seek(0)
    return file


def picture_of(rows: list[list[int]] | list[list[list[int]]]) -> Image.Image:
    """A grey or RGB(A) picture of these values."""
    return Image.fromarray(np.array(rows, dtype=np.uint8))


@pytest.mark.parametrize(
    ("low", "high", "spec", "expected"),
    [
        (0.0, 1.0, tensor("int8", 1 / 255, -128), P - 128),
        (0.0, 1.0, tensor("int8", float(np.float32(1 / 255)), -128), P - 128),
        (0.0, 1.0, tensor("uint8", 1 / 255, 0), P),
        (0.0, 255.0, tensor("int8", 1.0, -128), P - 128),
        (0.0, 255.0, tensor("uint8", 1.0, 0), P),
        (0.0, 255.0, tensor("uint8"), P),
        (1.0, 0.0, tensor("uint8", 1 / 255, 0), 255 - P),
        (0.0, 255.0, tensor("float32"), P),
    ],
)
def test_whole_tables(low: float, high: float, spec: TensorSpec, expected: NDArray[Any]) -> None:
    """The usual encodings are plain shifts of the pixel, at all 256 values."""
    got = table(Pixels(1, 1, low=low, high=high), spec)
    assert got.dtype.name == spec.dtype
    assert np.array_equal(got, expected)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        # real = −1 + 2p/255; times 128: −128, −63.749, −0.502, 0.502, 128 → rounded, + 128, clipped to 255
        (tensor("uint8", 1 / 128, 128), {0: 0, 64: 64, 127: 127, 128: 129, 255: 255}),
        # the same with zero point 0 in int8: 128 is clipped to 127
        (tensor("int8", 1 / 128, 0), {0: -128, 64: -64, 127: -1, 128: 1, 255: 127}),
        # 51 is a fifth of 255: −1 + 2/5 = −0.6; · 32768 = −19660.8; the upper end is clipped to 32767
        (tensor("int16", 1 / 32768, 0), {0: -32768, 51: -19661, 255: 32767}),
        (tensor("float32"), {0: -1.0, 51: np.float32(-0.6), 255: 1.0}),
    ],
)
def test_minus_one_to_one(spec: TensorSpec, expected: dict[int, float]) -> None:
    """The range −1..1 lands on the values worked out in the comments, clipped at the ends of the type."""
    got = table(Pixels(1, 1, low=-1.0, high=1.0), spec)
    assert {p: got[p].item() for p in expected} == {p: float(value) for p, value in expected.items()}


def test_to_input_keeps_the_shape() -> None:
    """Pictures of any shape go through the table value by value."""
    pictures = np.array([[[0, 255], [7, 8]]], dtype=np.uint8)
    got = to_input(pictures, (P - 128).astype(np.int8))
    assert got.dtype == np.int8
    assert got.tolist() == [[[-128, 127], [-121, -120]]]


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, [[1, 2, 3], [4, 5, 6]]),
        (3, [[6, 5, 4], [3, 2, 1]]),
        (6, [[4, 1], [5, 2], [6, 3]]),
        (8, [[3, 6], [2, 5], [1, 4]]),
    ],
)
def test_exif_orientation(orientation: int, upright: list[list[int]]) -> None:
    """A picture is turned as its EXIF tag says, before it is fitted."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = png(picture_of([[1, 2, 3], [4, 5, 6]]), exif=exif)
    got = open_picture(file, Pixels(len(upright), len(upright[0]), "gray"))
    assert got[..., 0].tolist() == upright


def test_cmyk() -> None:
    """CMYK: no ink is white, black ink is black, magenta and yellow are red."""
    inks = Image.new("CMYK", (3, 1))
    for x, ink in enumerate([(0, 0, 0, 0), (0, 0, 0, 255), (0, 255, 255, 0)]):
        inks.putpixel((x, 0), ink)
    assert to_array(inks, Pixels(1, 3)).tolist() == [[[255, 255, 255], [0, 0, 0], [255, 0, 0]]]


def test_gray_and_colour() -> None:
    """Gray becomes three equal channels; colours become the luma of ITU-R BT.601: .299 R + .587 G + .114 B."""
    assert to_array(picture_of([[7, 200]]), Pixels(1, 2)).tolist() == [[[7, 7, 7], [200, 200, 200]]]
    colours = picture_of([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]])
    assert to_array(colours, Pixels(1, 3, "gray")).tolist() == [[[76], [150], [29]]]


def test_transparency_lies_on_white() -> None:
    """Clear is white, half-clear black is mid-grey (255 · 127/255), opaque is itself."""
    got = open_picture(png(picture_of([[[255, 0, 0, 0], [0, 0, 0, 128], [1, 2, 3, 255]]])), Pixels(1, 3))
    assert got.tolist() == [[[255, 255, 255], [127, 127, 127], [1, 2, 3]]]


def test_transparent_palette_entry() -> None:
    """A palette's transparent entry is white too."""
    indexed = picture_of([[0, 1]]).convert("P")
    indexed.putpalette([10, 20, 30, 40, 50, 60])
    assert open_picture(png(indexed, transparency=1), Pixels(1, 2)).tolist() == [[[10, 20, 30], [255, 255, 255]]]


@pytest.mark.parametrize("color", ["gray", "rgb"])
def test_sixteen_bits(color: str) -> None:
    """16-bit values are divided by 257, so that 65535 is 255, and not cut off at 255."""
    deep = Image.fromarray(np.array([[0, 257, 32896 + 100, 32896 + 130, 65535]], dtype=np.uint16))
    got = open_picture(png(deep), Pixels(1, 5, color))
    assert got[0, :, 0].tolist() == [0, 1, 128, 129, 255]


@pytest.mark.parametrize(
    ("fit", "height", "width", "expected"),
    [
        ("crop", 2, 2, [[0, 255], [0, 255]]),
        ("pad", 4, 4, [[0, 0, 0, 0], [0, 0, 255, 255], [0, 0, 255, 255], [0, 0, 0, 0]]),
        # a triangle of half-width 2: weights 3/4, 3/4, 1/4 of the first three columns: 255 · (1/4) / (7/4) = 36.4
        ("stretch", 2, 2, [[36, 219], [36, 219]]),
        ("stretch", 2, 4, [[0, 0, 255, 255], [0, 0, 255, 255]]),
    ],
)
def test_fit(fit: str, height: int, width: int, expected: list[list[int]]) -> None:
    """Crop cuts the sides, pad adds black bars, stretch ignores the aspect: a picture half black, half white."""
    halves = picture_of([[0, 0, 255, 255]] * 2)
    assert to_array(halves, Pixels(height, width, "gray", fit=fit))[..., 0].tolist() == expected


def test_reduced_decoding_changes_little() -> None:
    """A big JPEG, decoded at a fraction of its size, is within 2 grey levels of one decoded in full."""
    y, x = np.mgrid[0:480, 0:640]
    waves = Image.fromarray((127 + 60 * np.sin(x / 15) + 60 * np.cos(y / 12)).astype(np.uint8))
    file = io.BytesIO()
    waves.save(file, "JPEG", quality=95)
    file.seek(0)
    full = np.asarray(Image.open(io.BytesIO(file.getvalue())).resize((160, 120), Image.Resampling.BILINEAR))
    got = open_picture(file, Pixels(120, 160, "gray"))[..., 0]
    assert np.abs(got.astype(int) - full).max() <= 2
    assert np.ptp(full) > 100


@pytest.mark.filterwarnings("ignore")  # Pillow warns of what it then refuses, or reads all the same
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP"])
def test_damaged_files(kind: str) -> None:
    """A file cut anywhere, or with bytes changed, gives a picture or OSError: no other error reaches the caller."""
    rng = np.random.default_rng(5)
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(file, kind)
    data = file.getvalue()
    refused = 0
    for turn in range(400):
        changed = bytearray(data[: rng.integers(0, len(data))] if turn % 2 else data)
        for place in rng.integers(0, max(1, min(len(changed), 64)), 2 * (turn % 4)):  # mostly in the head
            changed[place : place + 1] = rng.bytes(1)
        try:
            assert open_picture(io.BytesIO(changed), Pixels(8, 8)).shape == (8, 8, 3)
        except OSError:
            refused += 1
    assert refused > 100


def test_truncated_jpeg() -> None:
    """A JPEG that lost its second half is refused, not filled up with grey."""
    file = io.BytesIO()
    Image.effect_noise((64, 64), 80).save(file, "JPEG")
    with pytest.raises(OSError, match="truncated"):
        open_picture(io.BytesIO(file.getvalue()[: len(file.getvalue()) // 2]), Pixels(64, 64, "gray"))


def test_not_a_picture(tmp_path: Path) -> None:
    """A text file is refused with Pillow's OSError."""
    (tmp_path / "a.jpg").write_text("no picture")
    with pytest.raises(OSError, match="cannot identify"):
        open_picture(tmp_path / "a.jpg", Pixels(1, 1))


@pytest.mark.parametrize("color", ["gray", "rgb"])
def test_real_photos(color: str, data: Path) -> None:
    """Every real photo decodes to the asked size and is no flat patch; the damaged one is refused."""
    photos = [path for path in (data / "photos").iterdir() if path.suffix in {".jpg", ".png", ".bmp"}]
    assert len(photos) >= 20
    for path in photos:
        if "truncated" in path.name:
            with pytest.raises(OSError, match="truncated"):
                open_picture(path, Pixels(96, 96, color))
            continue
        got = open_picture(path, Pixels(96, 96, color))
        assert got.shape == (96, 96, 3 if color == "rgb" else 1)
        assert np.ptp(got) > 80, path.name


def test_real_orientations(data: Path) -> None:
    """The same landscape stored upright, upside down and on its side decodes to nearly the same picture."""
    upright, flipped, turned = (
        open_picture(data / "photos" / f"exif_Landscape_{tag}.jpg", Pixels(60, 90)).astype(int) for tag in (1, 3, 6)
    )
    for other in (flipped, turned):
        assert np.abs(upright - other).mean() < 4
    assert np.abs(upright - upright[::-1, ::-1]).mean() > 20
