"""A folder of pictures: the host's own pixels, in order, with damaged ones told."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bramble_agent.camera.capture import Patience
from bramble_agent.camera.convert import Converter
from bramble_agent.camera.newest import Newest
from bramble_agent.camera.sources.folder import Folder
from bramble_agent.errors import BadRequest, CameraLost, CameraMissing, FrameDamaged
from bramble_agent.pixels import open_picture
from bramble_agent.wire import Pixels

RGB = Pixels(8, 8)
DAMAGED = "pillow_truncated_jpeg.jpg"
SUFFIXES = ("png", "bmp", "webp", "JPG")


def grays(folder: Path, *values: int) -> None:
    """Pictures of one grey each, named by it, in formats that take turns."""
    folder.mkdir(exist_ok=True)
    for at, value in enumerate(values):
        Image.new("RGB", (10, 20), (value, value, value)).save(folder / f"{value:03}.{SUFFIXES[at % 4]}")


def levels(source: Folder, most: int = 99) -> list[int]:
    """The level of the first value of every frame; -1 for damaged ones."""
    source.open()
    seen: list[int] = []
    while len(seen) < most:
        try:
            frame = source.read()
        except FrameDamaged:
            seen.append(-1)
            continue
        if frame is None:
            break
        assert frame.number == len(seen)
        seen.append(int(frame.raw[0]))
    return seen


@pytest.mark.parametrize("how", [Pixels(96, 96), Pixels(64, 80, color="gray", fit="crop"), Pixels(50, 70, fit="pad")])
def test_every_real_photo_is_what_the_host_sees(data: Path, how: Pixels) -> None:
    """All photos, turned by EXIF, CMYK, palette, grey and cut short: to the bit what an evaluation gets."""
    photos = data / "photos"
    names = sorted(path for path in photos.iterdir() if path.suffix in (".jpg", ".png", ".bmp"))
    assert (len(names) > 20, DAMAGED in [path.name for path in names]) == (True, True)
    source, converter = Folder(str(photos), how), Converter(how)
    source.open()
    for path in names:
        if path.name == DAMAGED:
            with pytest.raises(FrameDamaged, match=DAMAGED):
                source.read()
            continue
        frame = source.read()
        assert frame is not None
        assert np.array_equal(converter.pixels(frame), open_picture(path, how))
    assert source.read() is None


def test_by_name_and_once(tmp_path: Path) -> None:
    """Sorted, whatever the format; other files do not matter; it can be opened again."""
    grays(tmp_path / "p", 30, 10, 40, 20)
    (tmp_path / "p" / "LICENSE").write_text("none", encoding="utf-8")
    (tmp_path / "p" / "010.png.d").mkdir()
    source = Folder(str(tmp_path / "p"), RGB)
    assert levels(source) == levels(source) == [10, 20, 30, 40]


def test_round_and_round(tmp_path: Path) -> None:
    """With ``loop`` it begins anew, and the numbers go on."""
    grays(tmp_path / "p", 10, 20)
    assert levels(Folder(str(tmp_path / "p"), RGB, loop=True), 5) == [10, 20, 10, 20, 10]


def test_one_picture(tmp_path: Path) -> None:
    """A picture is a folder of one."""
    grays(tmp_path / "p", 10, 20)
    assert levels(Folder(str(tmp_path / "p" / "020.bmp"), RGB)) == [20]


def test_damaged_pictures_are_counted(tmp_path: Path) -> None:
    """A picture cut short is damaged, an empty one too; the others are given."""
    grays(tmp_path / "p", 10, 20, 30, 40)
    for name, size in (("020.bmp", 100), ("040.JPG", 0)):
        path = tmp_path / "p" / name
        path.write_bytes(path.read_bytes()[:size])
    assert levels(Folder(str(tmp_path / "p"), RGB)) == [10, -1, 30, -1]
    frames = Newest(Folder(str(tmp_path / "p"), RGB))
    frames.start()
    got = []
    while not frames.ended:
        frame = frames.take(5)
        if frame is not None:
            got.append(frame.number)
    frames.stop()
    assert (len(got), frames.counts()["damaged"], frames.counts()["missed"]) == (2, 2, 0)


def test_nothing_but_damage_ends_a_loop(tmp_path: Path) -> None:
    """A loop in which no picture can be decoded would run for ever: it is lost after one round."""
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.jpg").write_bytes(b"no")
    frames = Newest(Folder(str(tmp_path / "p"), RGB, loop=True), patience=Patience())
    frames.start()
    with pytest.raises(CameraLost, match="no picture"):
        frames.take(5)
    frames.stop()


def test_pictures_that_vanish(tmp_path: Path) -> None:
    """One that is deleted after it was listed is damaged."""
    grays(tmp_path / "p", 10, 20)
    source = Folder(str(tmp_path / "p"), RGB)
    source.open()
    shutil.rmtree(tmp_path / "p")
    with pytest.raises(FrameDamaged, match=r"010\.png"):
        source.read()


def test_no_folder_and_no_picture(tmp_path: Path) -> None:
    """What is not there is missing, what has no picture is a mistake."""
    with pytest.raises(CameraMissing, match="none"):
        Folder(str(tmp_path / "none"), RGB).open()
    with pytest.raises(BadRequest, match="no picture"):
        Folder(str(tmp_path), RGB).open()


def test_for_two_models_each_decodes_for_itself(data: Path) -> None:
    """Photos turned by EXIF, grey, CMYK: both get to the bit what an evaluation gets; then the second one alone."""
    small, large = Pixels(96, 96), Pixels(120, 160, color="gray", fit="crop")
    source, converters = Folder(str(data / "photos"), small), [Converter(small), Converter(large)]
    source.open()
    source.want((small, large))
    names = [path.name for path in sorted((data / "photos").iterdir()) if path.suffix in (".jpg", ".png", ".bmp")]
    for name in names[:18]:
        try:
            frame = source.read()
            assert frame is not None
            pixels = [converter.pixels(frame).copy() for converter in converters]
        except FrameDamaged:
            assert name == DAMAGED
            continue
        for how, got in zip((small, large), pixels, strict=True):
            assert np.array_equal(got, open_picture(data / "photos" / name, how)), name
    source.want((large,))
    frame = source.read()
    assert frame is not None
    assert frame.format.layout == "gray"
    assert np.array_equal(converters[1].pixels(frame), open_picture(data / "photos" / names[18], large))


def test_size_of_pictures_that_are_not_decoded(tmp_path: Path) -> None:
    """Upright, as who decodes them sees it; what has no head is damaged; models that are alike share one decoding."""
    (tmp_path / "p").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (10, 20)).save(tmp_path / "p" / "a.jpg", exif=exif)
    (tmp_path / "p" / "b.jpg").write_bytes(b"no")
    source = Folder(str(tmp_path / "p"), RGB)
    source.open()
    source.want((RGB, Pixels(4, 4)))
    frame = source.read()
    assert frame is not None
    assert (frame.format.width, frame.format.height, frame.format.layout) == (20, 10, "jpeg")
    assert Converter(Pixels(10, 20)).pixels(frame).shape == (10, 20, 3)
    with pytest.raises(FrameDamaged, match=r"b\.jpg"):
        source.read()
    source.want((RGB, Pixels(8, 8, low=-1.0)))
    source.open()
    frame = source.read()
    assert frame is not None
    assert frame.format.layout == "rgb"
