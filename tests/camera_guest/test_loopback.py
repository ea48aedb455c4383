"""A photo before the camera, by v4l2loopback: what vivid has not, JPEG frames and a producer that comes and goes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bramble.fleet.ask import agent_path, put_agent
from bramble_agent.pixels import open_picture
from bramble_agent.wire import Pixels
from virtual_board.needs import MissingError

from . import image, loopback
from .guest import Guest
from .looping import looping
from .test_pixels import read

pytestmark = pytest.mark.slow
DEVICE = "/dev/video9"
STOP = "if [ -e feeding.pid ]; then kill $(cat feeding.pid); rm feeding.pid; sleep 1; fi"
SIZE = (640, 480)
MEAN, WORST = 2.0, 40  # two JPEG decoders, chroma at half the width; of 255


def feed(guest: Guest, form: str, frame: bytes) -> None:
    """Put a producer behind a fresh loopback device."""
    guest.run(STOP)
    put_agent(guest.connection, guest.board, camera=True)
    guest.as_root("if grep -q ^v4l2loopback /proc/modules; then rmmod v4l2loopback; fi; modprobe videodev")
    guest.as_root("insmod /home/pi/v4l2loopback.ko video_nr=9 exclusive_caps=1")
    guest.run(f"until [ -w {DEVICE} ]; do sleep 0.1; done")
    guest.connection.run(["sh", "-c", "cat > frame"], frame, 60)
    script = Path(__file__).with_name("feeding.py").read_bytes()
    guest.connection.run(["sh", "-c", "cat > feeding.py"], script, 60)
    words = f"{agent_path(guest.connection, camera=True)} {DEVICE} {SIZE[0]} {SIZE[1]} {form} frame"
    guest.run(f"python3 feeding.py {words} > feeding.log 2>&1 & echo $! > feeding.pid")
    guest.run(f"until v4l2-ctl -d {DEVICE} --list-formats | grep -q {form}; do sleep 0.2; done")


def test_photo(guest: Guest, data: Path) -> None:
    """A photo as JPEG and as YUYV frames becomes what the same photo as a file becomes; the loop takes JPEG too."""
    try:
        built = loopback.module(image.ready())
    except MissingError as error:
        pytest.skip(str(error))
    guest.connection.put(built, "v4l2loopback.ko")
    with Image.open(data / "photos/skimage_astronaut.png") as opened:
        photo = opened.convert("RGB").resize(SIZE)
    held = io.BytesIO()
    photo.save(held, "JPEG", quality=95)
    wanted = open_picture(io.BytesIO(held.getvalue()), Pixels(96, 96)).astype(np.int64)
    for form, frame in (("MJPG", held.getvalue()), ("YUYV", yuyv(photo))):
        feed(guest, form, frame)
        (got,) = read(guest, (f"v4l2:{DEVICE}", 96, 96, "rgb"))
        assert got.form == (*SIZE, {"MJPG": "jpeg", "YUYV": "yuyv"}[form])
        away = np.abs(got.pixels - wanted)
        assert away.mean() < MEAN, form
        assert away.max() < WORST, form
        with looping(guest, f"v4l2:{DEVICE}") as loop:
            loop.more()
        assert loop.answer is not None
        assert loop.answer.status.skipped["damaged"] == 0
    guest.run(STOP)


def yuyv(photo: Image.Image) -> bytes:
    """A picture as Y U Y V, BT.601 of limited range, by the standard's own figures."""
    rgb = np.asarray(photo).astype(np.float64) / 255
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    out = np.empty((*light.shape, 2))
    out[..., 0] = 16 + 219 * light
    for column, (colour, weight) in enumerate(((blue, 1.772), (red, 1.402))):
        shade = 128 + 224 * (colour - light) / weight
        out[:, column::2, 1] = (shade[:, 0::2] + shade[:, 1::2]) / 2
    return np.clip(np.rint(out), 0, 255).astype(np.uint8).tobytes()
