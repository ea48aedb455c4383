"""RTSP from a real server: frames of the real video, a server that dies and comes back, a password."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from bramble_agent.camera.capture import Patience
from bramble_agent.camera.convert import Converter
from bramble_agent.camera.frame import Format
from bramble_agent.camera.newest import Newest
from bramble_agent.camera.sources import stream
from bramble_agent.camera.sources.stream import Stream, file_video, network_video
from bramble_agent.errors import BadRequest, CameraLost, FrameDamaged
from bramble_agent.wire import Pixels

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).parent / "rtsp_server.py"
NEEDS = "gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
PACKAGES = (
    "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
)

pytestmark = pytest.mark.slow
pytest.importorskip("av", reason="PyAV is not installed")


@pytest.fixture(scope="module", autouse=True)
def _gstreamer() -> None:
    """Skip where the system's Python has no GStreamer."""
    here = (
        Path(PYTHON).exists()
        and not subprocess.run(
            [PYTHON, "-W", "ignore", "-c", f"import gi; {NEEDS}"], check=False, capture_output=True
        ).returncode
    )
    if not here:
        pytest.skip(f"GStreamer's RTSP server is not here: apt install {PACKAGES}")


@contextmanager
def served(data: Path, who: str = "", port: str = "0") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address (without scheme) of a server for the real video, and its process."""
    video = str(data / "video" / "bottle-detection.mp4")
    command = [PYTHON, "-W", "ignore", str(SCRIPT), video, who, port]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
        if process.poll() is None:
            process.communicate(timeout=10)


def test_frames_of_the_real_video(data: Path) -> None:
    """Sixty frames come at the video's own pace, whole, young, and the same as in the file."""
    how = Pixels(90, 160)
    converter = Converter(how)
    with served(data) as (address, _):
        source = Stream(network_video(f"rtsp://{address}"))
        form = source.open()
        assert (form.width, form.height) == (640, 360)
        seen, ages = [], []
        for _ in range(60):
            try:
                frame = source.read()
            except FrameDamaged:
                continue
            assert frame is not None
            ages.append(time.monotonic_ns() - frame.taken_ns)
            seen.append(converter.pixels(frame).copy())
        source.close()
    assert len(seen) >= 55
    assert sorted(ages)[len(ages) // 2] < 0.5e9
    assert min(ages) >= 0
    file = Stream(file_video(str(data / "video" / "bottle-detection.mp4")))
    file.open()
    of_file = [converter.pixels(frame).copy() for frame in (file.read() for _ in range(200)) if frame]
    first = next(at for at, one in enumerate(of_file) if np.array_equal(one, seen[0]))
    assert sum(np.array_equal(one, two) for one, two in zip(seen, of_file[first:], strict=False)) >= 0.9 * len(seen)


def test_a_server_that_dies_and_comes_back(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The capture thread lets go of the lost stream, tries again with back-off, and frames go on with their numbers."""
    monkeypatch.setattr(stream, "READ_S", 1.0)
    with served(data) as (address, process):
        port = address.partition(":")[2].partition("/")[0]
        frames = Newest(Stream(network_video(f"rtsp://{address}")), patience=Patience(again_s=0.2, most_s=0.5))
        frames.start()
        first = [frame.number for frame in (frames.take(10) for _ in range(10)) if frame]
        process.kill()
        process.wait()
        end = time.monotonic() + 20
        while not frames.trouble and time.monotonic() < end:
            frames.take(0.1)
        assert address.partition("/")[0] in frames.trouble
    with served(data, port=port):
        later = [frame.number for frame in (frames.take(15) for _ in range(5)) if frame]
        frames.stop()
    assert len(first) == 10
    assert len(later) == 5
    assert later[0] > first[-1]
    assert frames.counts()["lost"] == 1


def test_a_password(data: Path) -> None:
    """With it frames come, without it the mistake is told, and no message holds it."""
    with served(data, "me:secret") as (address, _):
        source = Stream(network_video(f"rtsp://me:secret@{address}"))
        assert source.open() == Format(640, 360, "yu12")
        assert source.read() is not None
        source.close()
        with pytest.raises(BadRequest, match="does not take this user") as caught:
            Stream(network_video(f"rtsp://me:wrong@{address}")).open()
        assert "wrong" not in caught.value.message


def test_the_end_of_a_stream(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A live stream whose server goes away is lost; it has no end of its own."""
    monkeypatch.setattr(stream, "READ_S", 1.0)
    with served(data) as (address, process):
        source = Stream(network_video(f"rtsp://{address}"))
        source.open()
        source.read()
        process.kill()
        process.wait()
        lost = ""
        while not lost:
            try:
                assert source.read() is not None
            except CameraLost as error:
                lost = error.message
        source.close()
    assert lost.startswith(f"rtsp://{address}: ") or lost == f"rtsp://{address} ended"
