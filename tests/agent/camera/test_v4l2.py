"""Video4Linux2: every request by a driver of our own, in both sizes of pointers; the real header; a real camera."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from agent.camera.fake_v4l2 import NUMBERS, FakeCamera, Shot
from bramble_agent.camera.convert import Converter
from bramble_agent.camera.frame import Format
from bramble_agent.camera.sources import v4l2_device
from bramble_agent.camera.sources.options import Options
from bramble_agent.camera.sources.v4l2 import KNOWN, READ_S, V4l2, Wish, wish
from bramble_agent.camera.sources.v4l2_choose import Offer, choose
from bramble_agent.camera.sources.v4l2_device import Camera
from bramble_agent.camera.sources.v4l2_words import Words, requests
from bramble_agent.errors import BadRequest, CameraBusy, CameraLost, CameraMissing, FrameDamaged
from bramble_agent.wire import Pixels

WANTED = Pixels(96, 96)
NOW_NS = 1_000_000_000_000


@pytest.fixture(params=[8, 4], ids=["64-bit", "32-bit"])
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeCamera:
    """A driver, and a program with pointers of 8 or of 4 bytes."""
    monkeypatch.setattr(
        v4l2_device.words.Words, "__init__", lambda self, pointer=request.param: setattr_(self, pointer)
    )
    monkeypatch.setattr("bramble_agent.camera.sources.v4l2.Camera", lambda device: Camera(device, request.param))
    return FakeCamera(request.param)


def setattr_(words: Words, pointer: int) -> None:
    """Fill a frozen object."""
    object.__setattr__(words, "pointer", pointer)


def source(fake: FakeCamera, how: Wish | None = None, wanted: Pixels = WANTED) -> V4l2:
    """A source over the driver; the time stands still."""
    return V4l2("/dev/video7", wanted, how or Wish(), lambda path: fake, lambda: NOW_NS)  # type: ignore[arg-type,return-value]


def test_frames_of_a_camera(fake: FakeCamera) -> None:
    """The smallest size that holds the model's is set, frames come with their bytes, number and time."""
    camera = source(fake)
    assert camera.open() == Format(160, 120, "yuyv", 320)
    fake.shots.append(Shot(9, 0, NOW_NS - 5_000_000))
    frame = camera.read()
    assert frame is not None
    assert (frame.number, frame.taken_ns, frame.raw.size, set(frame.raw)) == (0, NOW_NS - 5_000_000, 38400, {9})
    fake.shots.append(Shot(3, 4, NOW_NS))
    frame = camera.read()
    assert frame is not None
    assert (frame.number, set(frame.raw)) == (4, {3})
    assert fake.called[-4:] == ["dequeue", "queue", "dequeue", "dequeue"]
    camera.close()  # while the frame is looked at
    assert fake.closed
    assert fake.called[-2:] == ["off", "buffers"]
    assert fake.buffers == 0
    assert set(frame.raw) == {3}


def test_the_newest_of_those_that_wait(fake: FakeCamera) -> None:
    """A loop that was away reads the newest frame; the older buffers are given back and none is lost."""
    camera = source(fake)
    camera.open()
    for turn in range(5):
        fake.shots.extend(Shot(turn, 3 * turn + n, NOW_NS) for n in range(2 + turn % 2))
        frame = camera.read()
        assert frame is not None
        assert frame.number == 3 * turn + 1 + turn % 2
        assert len(fake.queued) == 2


@pytest.mark.parametrize(
    ("stamp_ns", "flags", "expected"),
    [
        (NOW_NS + 30_000_000, 0x2000, NOW_NS),  # vivid stamps ahead
        (0, 0x2000, NOW_NS),  # not at all
        (NOW_NS - 40_000_000, 0x2000, NOW_NS - 40_000_000),
        (NOW_NS - 40_000_000, 0x0000, NOW_NS),  # in another clock
        (NOW_NS - 40_000_000, 0x4000, NOW_NS),  # copied from elsewhere
    ],
)
def test_time_stamps(fake: FakeCamera, stamp_ns: int, flags: int, expected: int) -> None:
    """Monotonic stamps are believed, never beyond now."""
    camera = source(fake)
    camera.open()
    fake.shots.append(Shot(1, 0, stamp_ns, flags))
    frame = camera.read()
    assert frame is not None
    assert frame.taken_ns == expected


def test_a_driver_that_does_not_count(fake: FakeCamera) -> None:
    """Numbers go up all the same."""
    camera = source(fake)
    camera.open()
    numbers = []
    for _ in range(3):
        fake.shots.append(Shot(1, 0, NOW_NS))
        frame = camera.read()
        numbers.append(frame.number if frame else None)
    assert numbers == [0, 1, 2]


@pytest.mark.parametrize("shot", [Shot(1, 0, NOW_NS, 0x2040), Shot(1, 0, NOW_NS, 0x2000, cut=1)])
def test_damaged_frames(fake: FakeCamera, shot: Shot) -> None:
    """Marked by the driver or short by a byte: damaged, its buffer given back, and the next one is read."""
    camera = source(fake)
    camera.open()
    fake.shots.append(shot)
    with pytest.raises(FrameDamaged, match="frame 0"):
        camera.read()
    fake.shots.append(Shot(1, 1, NOW_NS))
    assert camera.read() is not None
    assert len(fake.queued) == 2


@pytest.mark.parametrize("code", [errno.ENODEV, errno.EIO, errno.EINVAL])
def test_a_camera_that_goes_away(fake: FakeCamera, code: int) -> None:
    """Unplugged, or a fatal streaming error: lost, closed without a word, and opened again."""
    camera = source(fake)
    camera.open()
    fake.shots.append(code)
    with pytest.raises(CameraLost, match=os.strerror(code)):
        camera.read()
    fake.errors["off"] = [errno.ENODEV]
    camera.close()
    assert fake.closed
    fake.maps.clear()
    fake.queued.clear()
    assert camera.open().width == 160


def test_no_frame_in_time(fake: FakeCamera) -> None:
    """A camera that films nothing is lost after the deadline."""
    waits: list[float] = []
    fake.waited = waits.append
    camera = source(fake)
    camera.open()
    with pytest.raises(CameraLost, match="no frame for 5 s"):
        camera.read()
    assert waits == [READ_S]


@pytest.mark.parametrize(
    ("request_", "code", "error", "match"),
    [
        ("format", errno.EBUSY, CameraBusy, "/dev/video7 is held by"),
        ("buffers", errno.EBUSY, CameraBusy, "held by"),
        ("on", errno.EBUSY, CameraBusy, "held by"),
        ("on", errno.EINVAL, CameraLost, "does not start"),
        ("on", errno.EIO, CameraLost, "does not start"),
        ("capabilities", errno.ENOTTY, BadRequest, "no Video4Linux2 camera"),
        ("capabilities", errno.EINVAL, BadRequest, "no Video4Linux2 camera"),
        ("buffers", errno.ENOMEM, CameraMissing, "cannot be set up"),
        ("buffers", errno.EINVAL, CameraMissing, "cannot be set up"),
        ("queue", errno.EINVAL, CameraMissing, "cannot be set up"),
        ("formats", errno.ENODEV, CameraMissing, "there is no camera /dev/video7"),
    ],
)
def test_refusals(fake: FakeCamera, request_: str, code: int, error: type[Exception], match: str) -> None:
    """Each of the kernel's refusals becomes an error that says what it means; the device is closed."""
    fake.errors[request_] = [code]
    with pytest.raises(error, match=match):
        source(fake).open()
    assert fake.closed


@pytest.mark.parametrize(
    ("listed", "capabilities", "match", "hint"),
    [
        ({"BA81": [(640, 480)], "RG10": []}, 0x04200001, "BA81, RG10", "picamera2:0"),
        ({"YUYV": []}, 0x04204000, "no frames as a stream", "v4l2-ctl"),
        ({}, 0x04200001, "no frames", "picamera2:0"),
    ],
)
def test_devices_that_are_no_cameras_for_us(listed: Any, capabilities: int, match: str, hint: str) -> None:
    """Raw sensors, encoders and empty devices are refused with what to do."""
    fake = FakeCamera(listed=listed, own=capabilities)
    with pytest.raises(BadRequest, match=match) as caught:
        source(fake).open()
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("code", "match"), [(errno.ENOENT, "no camera"), (errno.EACCES, "may not be opened"), (errno.EBUSY, "held by")]
)
def test_files_that_do_not_open(code: int, match: str) -> None:
    """Before the first request: what the kernel says of the file itself."""

    def refuse(path: str) -> Any:
        raise OSError(code, os.strerror(code), path)

    with pytest.raises((CameraMissing, CameraBusy), match=match):
        V4l2("/dev/video7", WANTED, Wish(), refuse).open()


def test_a_real_file_that_is_no_device(tmp_path: Path) -> None:
    """A plain file is no camera, and one that is not there is missing; this is the kernel's own answer."""
    plain = tmp_path / "video0"
    plain.write_bytes(b"")
    with pytest.raises((BadRequest, CameraMissing)):
        V4l2(str(plain), WANTED, Wish()).open()
    with pytest.raises(CameraMissing, match="there is no camera"):
        V4l2(str(tmp_path / "none"), WANTED, Wish()).open()


def test_colours_and_strides(fake: FakeCamera) -> None:
    """What the driver says of Y, U and V, and of padded rows, is in the format."""
    fake.picture = {"stride": 384, "span": 1}
    assert source(fake).open() == Format(160, 120, "yuyv", 384, "601-full")
    for space, coding, span, expected in [
        (8, 0, 0, "601"),
        (7, 0, 0, "601-full"),
        (3, 0, 0, "709"),
        (8, 2, 1, "709-full"),
        (3, 1, 2, "601"),
    ]:
        again = FakeCamera(fake.pointer, picture={"space": space, "coding": coding, "span": span})
        assert source(again).open().colours == expected


def test_options_are_asked_of_the_camera(fake: FakeCamera) -> None:
    """Size, format and rate by the user's wish."""
    fake.listed = {"YUYV": [(640, 480), (160, 120)], "MJPG": [(640, 480), (1920, 1080)]}
    how = wish(Options.read("size=640x480&fps=7.5&format=mjpg", KNOWN, "v4l2:/dev/video7"))
    assert source(fake, how).open() == Format(640, 480, "jpeg")
    assert (fake.set, fake.rate) == ((640, 480, "MJPG"), 7.5)
    fake.errors["rate"] = [errno.ENOTTY]
    fake.maps.clear()
    fake.queued.clear()
    assert source(fake, how).open().layout == "jpeg"
    with pytest.raises(BadRequest, match="H264"):
        wish(Options.read("format=h264", KNOWN, "v4l2:/dev/video7"))
    with pytest.raises(BadRequest, match="not NV12"):
        source(fake, Wish(code="NV12")).open()


SIZES = [(1280, 720), (640, 480), (320, 240), (160, 120)]


@pytest.mark.parametrize(
    ("codes", "sizes", "wanted", "expected"),
    [
        ("YUYV MJPG", SIZES, Pixels(96, 96), ("YUYV", (160, 120))),
        ("MJPG YUYV NV12", SIZES, Pixels(224, 224), ("NV12", (320, 240))),
        ("GREY YUYV", SIZES, Pixels(96, 96, color="gray"), ("GREY", (160, 120))),
        ("GREY YUYV", SIZES, Pixels(96, 96), ("YUYV", (160, 120))),
        ("GREY", SIZES, Pixels(96, 96), ("GREY", (160, 120))),
        ("RGB3 YUYV", [(96, 96)], Pixels(96, 96), ("RGB3", (96, 96))),
        ("RGB3 YUYV", SIZES, Pixels(96, 96), ("YUYV", (160, 120))),
        ("YUYV", SIZES, Pixels(1080, 1920), ("YUYV", (1280, 720))),
        ("MJPG", SIZES, Pixels(480, 640), ("MJPG", (640, 480))),
    ],
)
def test_choice(
    codes: str, sizes: list[tuple[int, int]], wanted: Pixels, expected: tuple[str, tuple[int, int]]
) -> None:
    """The cheapest frame that is not below the model's size; colour is not given away."""
    layouts = v4l2_device.words.LAYOUTS
    offers = [Offer(code, layouts[code], size, size) for code in codes.split() for size in sizes]
    offer, size = choose(offers, (wanted.width, wanted.height), wanted)
    assert (offer.code, size) == expected


def test_sizes_in_steps(fake: FakeCamera) -> None:
    """A driver that takes any size in steps is asked for the smallest one that holds the model's."""
    fake.listed = {"NV12": [(32, 1920, 16, 32, 1080, 2)]}
    assert source(fake, wanted=Pixels(97, 97)).open() == Format(112, 98, "nv12", 112)


def test_sizes_that_are_not_listed(fake: FakeCamera) -> None:
    """A driver without a list takes the nearest of what cameras commonly have, and says what it made of it."""
    fake.listed, fake.picture = {"YUYV": []}, {"width": 176, "stride": 352}
    assert source(fake).open() == Format(176, 120, "yuyv", 352)
    assert fake.set == (160, 120, "YUYV")


def test_request_numbers() -> None:
    """The numbers of both sizes of pointers are the kernel's, as strace shows them."""
    for pointer, numbers in NUMBERS.items():
        assert set(requests(Words(pointer))) == set(numbers)


HEADER = """
#include <linux/videodev2.h>
#include <stddef.h>
#include <stdio.h>
#define N(x) printf("%u\\n", (unsigned)(x));
#define B(x) N(offsetof(struct v4l2_buffer, x))
int main(void) {
  N(VIDIOC_QUERYCAP) N(VIDIOC_ENUM_FMT) N(VIDIOC_S_FMT) N(VIDIOC_REQBUFS) N(VIDIOC_QUERYBUF) N(VIDIOC_QBUF)
  N(VIDIOC_DQBUF) N(VIDIOC_STREAMON) N(VIDIOC_STREAMOFF) N(VIDIOC_S_PARM) N(VIDIOC_ENUM_FRAMESIZES)
  B(index) B(type) B(bytesused) B(flags) B(field) B(timestamp.tv_sec) B(timestamp.tv_usec) B(sequence) B(memory)
  B(m.offset) B(length) N(offsetof(struct v4l2_format, fmt.pix)) N(sizeof(struct v4l2_format))
}
"""


def test_the_systems_own_header(tmp_path: Path) -> None:
    """Sizes and offsets are those that a C compiler finds in the kernel's header, where both are here."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not Path("/usr/include/linux/videodev2.h").exists():
        pytest.skip("no C compiler, or no linux/videodev2.h")
    (tmp_path / "a.c").write_text(HEADER, encoding="utf-8")
    subprocess.run([compiler, "-o", tmp_path / "a", tmp_path / "a.c"], check=True)
    told = subprocess.run([tmp_path / "a"], check=True, capture_output=True, text=True).stdout
    numbers = [int(line) for line in told.split()]
    words = Words(struct.calcsize("P"))
    assert numbers[:11] == list(requests(words))
    for value, offset in enumerate(numbers[11:22]):
        one = [0] * 11
        one[value] = 1
        assert words.buffer.pack(*one).index(1) == offset
    assert numbers[22:] == [words.format_before, words.format_size]


@pytest.mark.slow
def test_a_real_camera() -> None:
    """Sixty frames of the machine's own camera: their numbers go up, their ages are those of a live picture."""
    paths = sorted(Path("/dev").glob("video*"))
    if not paths:
        pytest.skip("this machine has no /dev/video*")
    camera = V4l2(str(paths[0]), WANTED, Wish())
    form = camera.open()
    numbers, ages = [], []
    for _ in range(60):
        frame = camera.read()
        assert frame is not None
        numbers.append(frame.number)
        ages.append(time.monotonic_ns() - frame.taken_ns)
        assert Converter(WANTED).pixels(frame).shape == (96, 96, 3)
    del frame
    camera.close()
    assert form.width >= 96
    assert numbers == sorted(set(numbers))
    assert min(ages) >= 0
    assert sorted(ages)[30] < 1_000_000_000


def test_set_up_anew_for_larger_pictures(fake: FakeCamera) -> None:
    """Another size is chosen and the stream begins anew; where the size would be the same, nothing is touched."""
    drivers = [fake, FakeCamera(fake.pointer), FakeCamera(fake.pointer)]
    given = iter(drivers)
    camera = V4l2("/dev/video7", WANTED, Wish(), lambda path: next(given), lambda: NOW_NS)  # type: ignore[arg-type,return-value]
    camera.want((WANTED,))
    assert camera.open().width == 160
    camera.want((WANTED, Pixels(100, 100)))
    assert (fake.closed, fake.called.count("off")) == (False, 0)
    camera.want((WANTED, Pixels(224, 224)))
    assert (fake.closed, fake.called[-2:]) == (True, ["off", "buffers"])
    drivers[1].shots.append(Shot(7, 0, NOW_NS))
    frame = camera.read()
    assert frame is not None
    assert (frame.number, frame.format) == (0, Format(640, 480, "yuyv", 1280))
    del frame
    camera.want((WANTED,))
    drivers[2].shots.append(Shot(8, 5, NOW_NS))
    frame = camera.read()
    assert frame is not None
    assert (frame.format.width, set(frame.raw)) == (160, {8})
    del frame
    camera.close()
    assert all(one.closed for one in drivers)


def test_a_size_that_was_asked_for_stays(fake: FakeCamera) -> None:
    """Whatever the model takes."""
    camera = source(fake, Wish(size=(640, 480)))
    assert camera.open().width == 640
    camera.want((Pixels(16, 16), Pixels(32, 32)))
    assert not fake.closed
    camera.close()


def test_unplugged_while_it_is_set_up_anew(fake: FakeCamera) -> None:
    """It is lost, as at any other time; opened again it is set up for what was wanted last."""
    given = iter([fake, FakeCamera(fake.pointer)])
    camera = V4l2("/dev/video7", WANTED, Wish(), lambda path: next(given), lambda: NOW_NS)  # type: ignore[arg-type,return-value]
    camera.open()
    fake.errors["sizes"] = [errno.ENODEV]
    with pytest.raises(CameraLost, match="No such device"):
        camera.want((WANTED, Pixels(224, 224)))
    camera.close()
    assert camera.open().width == 640
    camera.close()
