"""The adapter to picamera2, against a module with the real one's signatures."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from agent.camera.fake_picamera2 import SENSOR, STAGE, Picamera2, module
from bramble_agent.camera.convert import Converter
from bramble_agent.camera.frame import Format
from bramble_agent.camera.sources import picamera2
from bramble_agent.camera.sources.picamera2 import PiCamera, Wish
from bramble_agent.errors import CameraBusy, CameraLost, CameraMissing
from bramble_agent.wire import Pixels

NOW_NS = time.monotonic_ns()


@pytest.fixture(autouse=True)
def _module(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake stands for the real one."""
    monkeypatch.setitem(sys.modules, "picamera2", module())


def opened(wanted: Pixels, how: Wish | None = None) -> tuple[PiCamera, Picamera2, Format]:
    """An open source, the camera behind it, and its format."""
    source = PiCamera(how or Wish(), wanted, lambda: NOW_NS)
    form = source.open()
    return source, STAGE.made[-1], form


def test_the_camera_makes_the_models_size() -> None:
    """The image processor scales: the main stream has the model's size and colour order, the sensor is seen whole."""
    source, camera, form = opened(Pixels(96, 96))
    assert form == Format(96, 96, "rgb", 320)
    assert camera.camera_config["raw"]["size"] == (1640, 1232)
    assert camera.controls["ScalerCrop"] == (0, 0, *SENSOR)
    frame = source.read()
    assert frame is not None
    pixels = Converter(Pixels(96, 96)).pixels(frame)
    assert (pixels.shape, set(pixels.flat)) == ((96, 96, 3), {1})


@pytest.mark.parametrize(
    ("wanted", "size", "squeezed"),
    [
        (Pixels(96, 96, fit="crop"), (96, 96), False),
        (Pixels(96, 96, fit="pad"), (96, 72), False),
        (Pixels(97, 97, fit="stretch"), (98, 98), True),
        (Pixels(120, 160, fit="stretch"), (160, 120), True),
    ],
)
def test_fit(wanted: Pixels, size: tuple[int, int], squeezed: bool) -> None:
    """Cut, padded or squeezed as the model's pictures were: by the camera, as far as it can."""
    _, camera, form = opened(wanted)
    assert (form.width, form.height) == size
    assert ("ScalerCrop" in camera.controls) is squeezed


def test_gray_models_read_luma() -> None:
    """A grey model gets the Y of a YUV stream, with its padded rows."""
    source, _, form = opened(Pixels(96, 96, color="gray"))
    assert form == Format(96, 96, "yu12", 128)
    frame = source.read()
    assert frame is not None
    assert Converter(Pixels(96, 96, color="gray")).pixels(frame).shape == (96, 96, 1)


def test_what_the_camera_makes_of_it() -> None:
    """A size that the image processor does not do is what it says that it does."""
    STAGE.smallest = 64
    assert opened(Pixels(32, 32))[2] == Format(64, 64, "rgb", 192)


def test_options() -> None:
    """Rate and size by the user's wish."""
    _, camera, form = opened(Pixels(96, 96), Wish(fps=10, size=(640, 480)))
    assert (form.width, form.height) == (640, 480)
    assert camera.controls["FrameDurationLimits"] == (100_000, 100_000)


@pytest.mark.parametrize(
    ("stamp_ns", "taken_ns"),
    [(NOW_NS - 33_000_000, NOW_NS - 33_000_000), (0, NOW_NS), (NOW_NS - 60_000_000_000, NOW_NS)],
    ids=["told", "not told", "of another clock"],
)
def test_sensor_time(stamp_ns: int, taken_ns: int) -> None:
    """The sensor's own time stamp; the time of arrival where there is none that can be believed."""
    source, _, _ = opened(Pixels(96, 96))
    STAGE.stamps = [stamp_ns]
    frame = source.read()
    assert frame is not None
    assert frame.taken_ns == taken_ns


def test_sensor_time_since_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the stamp counts sleep and our clock does not, the difference is taken off."""
    monkeypatch.setattr(picamera2.time, "monotonic_ns", lambda: NOW_NS)
    monkeypatch.setattr(picamera2.time, "clock_gettime_ns", lambda clock: NOW_NS + 500 * 10**9)
    source, _, _ = opened(Pixels(96, 96))
    STAGE.stamps = [NOW_NS + 500 * 10**9 - 20_000_000]
    frame = source.read()
    assert frame is not None
    assert frame.taken_ns == NOW_NS - 20_000_000


def test_every_request_goes_back() -> None:
    """Frames are lent: each is given back before the next is asked for, and what we keep is a copy in one buffer."""
    source, _, _ = opened(Pixels(96, 96))
    frames = [source.read() for _ in range(5)]
    assert STAGE.released == 5
    assert [frame.number for frame in frames if frame] == [0, 1, 2, 3, 4]
    assert all(frame is not None and np.all(frame.raw == 5) for frame in frames)


def test_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without picamera2 it is said how to get it."""
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(CameraMissing, match="picamera2 cannot be imported") as caught:
        PiCamera(Wish(), Pixels(96, 96)).open()
    assert "apt install python3-picamera2" in caught.value.hint


def test_no_such_camera() -> None:
    """What is there is named."""
    with pytest.raises(CameraMissing, match=r"no camera 1; found: 0 \(imx219\)"):
        PiCamera(Wish(1), Pixels(96, 96)).open()
    STAGE.cameras = []
    with pytest.raises(CameraMissing, match="found: none") as caught:
        PiCamera(Wish(), Pixels(96, 96)).open()
    assert "cable" in caught.value.hint


def test_a_busy_camera_names_its_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libcamera's own error is inside picamera2's; the process is looked up."""
    STAGE.refusal = RuntimeError("Failed to acquire camera: Device or resource busy")
    with pytest.raises(CameraBusy, match="cannot see"):
        PiCamera(Wish(), Pixels(96, 96)).open()
    monkeypatch.setattr(picamera2, "holders", lambda device: ["rpicam-vid (pid 812)"])
    with pytest.raises(CameraBusy, match=r"held by rpicam-vid \(pid 812\)"):
        PiCamera(Wish(), Pixels(96, 96)).open()


def test_a_camera_that_cannot_be_opened_or_started() -> None:
    """Other errors of its library are missing cameras, or lost ones where they come later; it is let go of."""
    STAGE.refusal = RuntimeError("Initialization failed.")
    with pytest.raises(CameraMissing, match="Initialization failed"):
        PiCamera(Wish(), Pixels(96, 96)).open()
    STAGE.refusal, STAGE.start_error = None, RuntimeError("Failed to start camera: Input/output error")
    with pytest.raises(CameraLost, match="does not start"):
        PiCamera(Wish(), Pixels(96, 96)).open()
    assert STAGE.made[-1].calls == ["start", "stop", "close"]


def test_a_camera_that_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """No frame in time: lost; what was asked for is taken back before the stop, which would wait for it."""
    monkeypatch.setattr(picamera2, "READ_S", 0.01)
    source, camera, _ = opened(Pixels(96, 96))
    STAGE.stuck = True
    with pytest.raises(CameraLost, match="no frame"):
        source.read()
    source.close()
    assert camera.calls == ["start", "cancel", "stop", "close"]
    STAGE.stuck = False
    source.open()
    assert source.read() is not None


def test_an_error_in_the_middle() -> None:
    """An error of the library while a frame is fetched: lost."""
    source, _, _ = opened(Pixels(96, 96))
    STAGE.failed = RuntimeError("Camera frontend has timed out!")
    with pytest.raises(CameraLost, match="timed out"):
        source.read()
    source.close()
    with pytest.raises(CameraLost, match="not open"):
        source.read()


def test_the_adapter_is_one_file() -> None:
    """Nothing else of ours knows picamera2."""
    folder = Path(picamera2.__file__).parent
    knowing = [
        path.name for path in folder.parent.rglob("*.py") if "from picamera2" in path.read_text(encoding="utf-8")
    ]
    assert knowing == ["picamera2.py"]


def test_set_up_anew_for_larger_pictures() -> None:
    """For both models in one size that serves both, then for the new one; for the same pictures nothing is touched."""
    source, first, _ = opened(Pixels(96, 96))
    source.want((Pixels(96, 96), Pixels(96, 96, low=-1.0)))
    assert STAGE.made[-1] is first
    source.want((Pixels(96, 96), Pixels(224, 224)))
    frame = source.read()
    assert frame is not None
    assert (frame.number, frame.format.width, frame.format.height) == (0, 224, 224)
    assert first.calls[-1] == "close"
    source.want((Pixels(224, 224, fit="crop"), Pixels(96, 96)))
    frame = source.read()
    assert frame is not None
    assert (frame.format.width, frame.format.height) == (448, 338)
    assert "ScalerCrop" not in STAGE.made[-1].controls
    source.close()
    source.want((Pixels(32, 32, color="gray"),))
    assert source.open() == Format(32, 32, "yu12", 64)
