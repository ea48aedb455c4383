"""What the model gets of a camera of the kernel: the driver's test pictures, in every layout that we read."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bramble.fleet.ask import agent_path, put_agent

from .guest import HDMI, VIDEO, Guest

pytestmark = pytest.mark.slow
LAYOUTS = {"YUYV": "yuyv", "NV12": "nv12", "YU12": "yu12", "GREY": "gray", "RGB3": "rgb", "BGR3": "bgr"}
IN_COLOUR = [code for code in LAYOUTS if code != "GREY"]
W, Y, C, G, M, R, B, K = range(8)
BARS = np.array(
    [[255, 255, 255], [255, 255, 0], [0, 255, 255], [0, 255, 0], [255, 0, 255], [255, 0, 0], [0, 0, 255], [0, 0, 0]]
)
GREYS = np.array([255, 226, 179, 150, 105, 76, 29, 0])  # (19595 R + 38470 G + 7471 B) / 65536, as Pillow's
OF_DRIVER = np.array([255, 237, 201, 182, 73, 54, 18, 0])  # its own grey weighs as BT.709 does
NEAR = 4  # Y, U and V are rounded to bytes on the way
WANTING = f"""
import json, sys
sys.path.insert(0, sys.argv[1])
from bramble_agent.camera.sources.open import source
from bramble_agent.wire import Pixels
one, sizes = source("v4l2:{VIDEO}", Pixels(96, 96)), []
one.open()
for wanted in (96, 96), (300, 600), (96, 96):
    one.want((Pixels(*wanted),))
    frame = one.read()  # looked at while the next one is wanted
    sizes.append([frame.format.width, frame.format.height, frame.raw.size])
one.close()
print(json.dumps(sizes))
"""
UPRIGHT, LYING, NO_TEXT = "test_pattern=1", "test_pattern=3", "osd_text_mode=2"


@dataclass(frozen=True)
class Got:
    """A frame's form and colours, its age, and the model's pixels [height, width, channels]."""

    form: tuple[int, int, str]
    colours: str
    age_ms: float
    pixels: NDArray[np.int64]


def read(guest: Guest, *jobs: tuple[str, int, int, str]) -> list[Got]:
    """Read each source there, (source, height, width, colour of the model)."""
    script = Path(__file__).with_name("reading.py").read_bytes()
    path = agent_path(guest.connection, camera=True)
    put_agent(guest.connection, guest.board, camera=True)
    guest.connection.run(["sh", "-c", "cat > reading.py"], script, 60)
    done = guest.connection.run(["python3", "reading.py", path], json.dumps(jobs).encode(), 240)
    assert done.status == 0, done.stderr.decode()
    told: list[Any] = json.loads(done.stdout)
    got = []
    for (_, height, width, _), (form, age_ms, packed) in zip(jobs, told, strict=True):
        values = np.frombuffer(base64.b64decode(packed), np.uint8).astype(np.int64).reshape(height, width, -1)
        got.append(Got((form[0], form[1], form[2]), form[3], age_ms, values))
    return got


def source(code: str, size: str = "320x180") -> str:
    """A source of that pixel format."""
    return f"v4l2:{VIDEO}?size={size}&fps=30&format={code}"


def check_bars(got: Got, expected: NDArray[Any], edge: int = 4) -> None:
    """Eight upright bars, one as wide as the other, each of its colour but for ``edge`` columns on both sides."""
    wide = got.pixels.shape[1] // 8
    for at, colour in enumerate(expected):
        bar = got.pixels[:, at * wide + edge : (at + 1) * wide - edge]
        assert np.abs(bar - colour).max() <= NEAR, (got.form, got.colours, at, bar[0, 0])


def test_every_layout(guest: Guest) -> None:
    """The eight bars are where they belong, in their colours, for models of colour and of grey, in the frame's size."""
    guest.plug_in()
    guest.control(UPRIGHT, NO_TEXT)
    jobs = [(source(code), 180, 320, colour) for code in LAYOUTS for colour in ("rgb", "gray")]
    for (_, _, _, colour), got in zip(jobs, read(guest, *jobs), strict=True):
        assert got.form[:2] == (320, 180)
        of_sensor = OF_DRIVER[:, None] if got.form[2] == "gray" else None
        if colour == "gray":
            check_bars(got, GREYS[:, None] if of_sensor is None else of_sensor)
        else:
            check_bars(got, BARS if of_sensor is None else np.repeat(of_sensor, 3, axis=1))
        assert got.age_ms >= 0
    assert {got.form[2] for got in read(guest, *jobs[::2])} == set(LAYOUTS.values())


@pytest.mark.parametrize(
    ("control", "colours"), [("colorspace=1", "709"), ("quantization=1", "601-full"), ("colorspace=0", "601")]
)
def test_what_the_driver_says_of_its_colours(guest: Guest, control: str, colours: str) -> None:
    """BT.709, or the full range: believed, and the model's pixels stay the same."""
    guest.plug_in()
    guest.control(UPRIGHT, NO_TEXT, control)
    for got in read(guest, *((source(code), 180, 320, "rgb") for code in ("YUYV", "NV12", "YU12"))):
        assert got.colours == colours
        check_bars(got, BARS)


def test_up_and_left(guest: Guest) -> None:
    """Nothing is mirrored or upside down: bars that lie, and the driver's own flips, come out as they should."""
    guest.plug_in()
    guest.control(LYING, NO_TEXT)
    jobs = [(source(code), 180, 320, "rgb") for code in IN_COLOUR]
    for got in read(guest, *jobs):
        rows = got.pixels[10::23, 160]
        assert np.abs(rows[:8] - BARS).max() <= NEAR, got.form
    guest.control("horizontal_flip=1", UPRIGHT)
    for got in read(guest, *jobs):
        check_bars(got, BARS[::-1])


def test_smaller_and_larger(guest: Guest) -> None:
    """Frames of other sizes than the model's are resized; the camera's own choice is the smallest that holds it."""
    guest.plug_in()
    guest.control(UPRIGHT, NO_TEXT)
    jobs = [(source(code, size), 96, 96, "rgb") for code in IN_COLOUR for size in ("640x480", "1280x720")]
    own = [(f"v4l2:{VIDEO}", 96, 96, "rgb"), (f"v4l2:{VIDEO}", 200, 400, "rgb")]
    seen = read(guest, *jobs, *own)
    for got in seen[:-1]:
        check_bars(got, BARS, 3)
    assert [got.form[:2] for got in seen[:4]] == [(640, 480), (1280, 720)] * 2
    assert [got.form for got in seen[-2:]] == [(320, 180, "yu12"), (640, 360, "yu12")]


def test_another_size_in_the_middle(guest: Guest) -> None:
    """A model that needs larger frames, as at a swap: the camera is set up anew while its last frame is looked at."""
    guest.plug_in()
    put_agent(guest.connection, guest.board, camera=True)
    words = ["python3", "-c", WANTING, agent_path(guest.connection, camera=True)]
    done = guest.connection.run(words, b"", 120)
    assert done.status == 0, done.stderr.decode()
    small, large = [320, 180, 320 * 180 * 3 // 2], [640, 360, 640 * 360 * 3 // 2]
    assert json.loads(done.stdout) == [small, large, small]


def test_a_grabber_without_a_list_of_sizes(guest: Guest) -> None:
    """An HDMI input that gives only what its signal has: what the driver makes of the wish is read."""
    guest.plug_in(HDMI)
    guest.control(UPRIGHT, NO_TEXT, *(f"enable_capture_{what}=0" for what in ("scaler", "cropping", "composing")))
    (got,) = read(guest, (f"v4l2:{VIDEO}?format=YUYV", 96, 96, "rgb"))
    assert (got.form, got.colours) == ((1280, 720, "yuyv"), "709")
    check_bars(got, BARS, 3)
