"""From strings to sources: every kind, every option, and every mistake with a hint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bramble_agent.camera.sources.folder import Folder
from bramble_agent.camera.sources.open import source
from bramble_agent.camera.sources.picamera2 import PiCamera, Wish
from bramble_agent.camera.sources.stream import Stream
from bramble_agent.camera.sources.synthetic import Synthetic
from bramble_agent.camera.sources.v4l2 import V4l2
from bramble_agent.errors import BadRequest
from bramble_agent.wire import Pixels

WANTED = Pixels(96, 96)


@pytest.mark.parametrize(
    ("text", "kind", "live"),
    [
        ("picamera2:0", PiCamera, True),
        ("picamera2:", PiCamera, True),
        ("v4l2:/dev/video0?size=640x480&fps=30&format=yuyv", V4l2, True),
        ("/dev/video2", V4l2, True),
        ("/dev/video2?fps=5", V4l2, True),
        ("rtsp://user:secret@camera:8554/live?channel=1", Stream, True),
        ("http://camera/video.mjpg?fps=5", Stream, False),
        ("http://camera/stream?fps=5", Stream, True),
        ("https://example.org/film.mp4", Stream, False),
        ("file:film.mp4?loop=1", Stream, False),
        ("file:what?.mp4", Stream, False),
        ("file:photo.JPG", Folder, False),
        ("folder:pictures?loop=yes", Folder, False),
        ("synthetic:", Synthetic, False),
        ("synthetic:?size=64x48&fps=30&frames=9&seed=4&layout=nv12", Synthetic, True),
    ],
)
def test_kinds(text: str, kind: type[Any], live: bool) -> None:
    """Each string gives its kind of source, live or not, without opening anything."""
    made = source(text, WANTED)
    assert isinstance(made, kind)
    assert made.live is live


def test_numbers_and_options_arrive() -> None:
    """The camera's number and the options are what was written."""
    made = source("picamera2:1?fps=7.5&size=640x480", WANTED)
    assert isinstance(made, PiCamera)
    assert made._how == Wish(1, 7.5, (640, 480))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("rstp://camera/live", "'rstp'", "do you mean rtsp?"),
        ("picam:0", "'picam'", "do you mean picamera2?"),
        ("usb:0", "'usb'", "there are picamera2, v4l2"),
        ("picamera2", "no source", "do you mean picamera2:?"),
        ("", "no source", "there are picamera2:"),
        ("film.mp4", "no source", "file:film.mp4"),
        ("/home/pi/pictures", "no source", "folder:/home/pi/pictures"),
        ("picamera2:front", "names no camera", "picamera2:0"),
        ("v4l2:", "needs a device", "v4l2:/dev/video0"),
        ("folder:", "needs a path", "folder:/home"),
        ("rtsp:", "needs an address", "rtsp://HOST"),
        ("http://", "needs an address", "http://HOST"),
        ("synthetic:?sise=4x4", "no option 'sise'", "do you mean size?"),
        ("folder:a?fps=3", "no option 'fps'", "there are loop"),
        ("synthetic:?size=0x4", "size=0x4", "640x480"),
        ("synthetic:?size=big", "size=big", "640x480"),
        ("synthetic:?fps=-1", "fps=-1", "30 or 7.5"),
        ("synthetic:?frames=many", "frames=many", "whole number"),
        ("synthetic:?layout=yuv", "layout=yuv", "do you mean yuyv?"),
        ("synthetic:?layout=nv12&size=3x4", "3x4", "even"),
        ("folder:a?loop=maybe", "loop=maybe", "1 or 0"),
        ("v4l2:/dev/video0?format=h264", "H264", "there are YUYV"),
    ],
)
def test_mistakes(text: str, message: str, hint: str) -> None:
    """Each is refused by what is wrong, and the hint says what would be right."""
    with pytest.raises(BadRequest) as caught:
        source(text, WANTED)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_question_mark_in_a_name(tmp_path: Path) -> None:
    """A file may have one."""
    (tmp_path / "what?").mkdir()
    with pytest.raises(BadRequest, match=r"no picture in .*what\?"):
        source(f"folder:{tmp_path}/what?", WANTED).open()
