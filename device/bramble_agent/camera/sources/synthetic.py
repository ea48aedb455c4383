"""Frames that are computed: a square that moves over noise, the same for the same seed on every machine.

For tests, for measuring a loop without a camera, and for trying one out. A few frames are made when it is opened and
given again and again, so that a frame costs nothing. With ``fps`` it is live, as a camera: frames come at their time,
and those that nobody asked for in time are gone, which their numbers tell.
"""

from __future__ import annotations

import io
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, List, Sequence

import numpy as np

from ...errors import BadRequest, CameraLost
from ..frame import LAYOUTS, Format, Frame
from ..place import serving
from ..planes import needed_bytes
from .options import Options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...wire import Pixels

RING = 8
KNOWN = ("size", "fps", "frames", "seed", "layout")


@dataclass(frozen=True)
class Plan:
    """What is computed: frames of this format, ``frames`` of them (0: without end), ``fps`` a second (0: at once)."""

    form: Format
    fps: float = 0.0
    frames: int = 0
    seed: int = 0


def plan(options: Options, wanted: Pixels) -> Plan:
    """The plan that the options give; the size is the model's where none is given."""
    width, height = options.size("size", (wanted.width, wanted.height))
    layout = options.text("layout", "gray" if wanted.color == "gray" else "rgb", LAYOUTS)
    if layout in ("yuyv", "nv12", "yu12") and (width % 2 or height % 2):
        raise BadRequest(f"{layout} frames of {width}x{height}", "give an even width and height")
    form = Format(width, height, layout)
    return Plan(form, options.rate("fps"), options.whole("frames", 0), options.whole("seed", 0))


class Synthetic:
    """A source of computed frames."""

    def __init__(
        self,
        how: Plan,
        planned: Callable[[Pixels], Plan] | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``planned`` makes the plan for a model's pictures; without it the plan is for every model."""
        self.live = how.fps > 0
        self._planned = planned
        self._how, self._clock_ns, self._sleep = how, clock_ns, sleep
        self._ring: List[NDArray[Any]] = []
        self._number, self._start_ns = -1, 0

    def open(self) -> Format:
        """Make the frames. Never fails."""
        self._ring = [_raw(picture, self._how.form) for picture in _pictures(self._how)]
        self._number, self._start_ns = -1, self._clock_ns()
        return self._how.form

    def read(self) -> Frame | None:
        """The next frame, or the newest that is due; None after the last."""
        if not self._ring:
            raise CameraLost("the source is not open")
        taken_ns = self._due() if self.live else self._clock_ns()
        self._number += not self.live
        if self._how.frames and self._number >= self._how.frames:
            return None
        return Frame(self._number, self._ring[self._number % RING], self._how.form, taken_ns)

    def _due(self) -> int:
        """Wait for a frame that was not given yet; when it was due. Frame n is due at start + (n + 1)/fps."""
        fps = self._how.fps
        newest = int((self._clock_ns() - self._start_ns) * fps / 1e9) - 1
        self._number = max(newest, self._number + 1)
        taken_ns = self._start_ns + int((self._number + 1) * 1e9 / fps)
        while self._clock_ns() < taken_ns:
            self._sleep((taken_ns - self._clock_ns()) / 1e9)
        return taken_ns

    def want(self, wanted: Sequence[Pixels]) -> None:
        """Make others, if the plan depends on the model; numbers and times go on.

        Where that cannot be (a layout with an odd size) they stay as they are: every model can do with them.
        """
        if self._planned is not None:
            with suppress(BadRequest):
                self._how = self._planned(serving(wanted))
            if self._ring:
                self._ring = [_raw(picture, self._how.form) for picture in _pictures(self._how)]

    def close(self) -> None:
        """Forget the frames."""
        self._ring = []


def _pictures(how: Plan) -> List[NDArray[np.uint8]]:
    """RGB pictures [height, width, 3]: noise of little contrast, and a bright square one step further in each."""
    rng = np.random.default_rng(how.seed)
    height, width = how.form.height, how.form.width
    noise = rng.integers(64, 128, (height, width, 3), dtype=np.uint8)
    pictures = []
    for index in range(RING):
        picture = noise.copy()
        top, left = height // 3, index * width // RING
        picture[top : top + max(1, height // 3), left : left + max(1, width // RING)] = rng.integers(160, 256, 3)
        pictures.append(picture)
    return pictures


def _raw(picture: NDArray[np.uint8], form: Format) -> NDArray[Any]:
    if form.layout in ("rgb", "bgr"):
        return np.ascontiguousarray(picture if form.layout == "rgb" else picture[..., ::-1]).reshape(-1)
    if form.layout == "jpeg":
        return _jpeg(picture)
    weights = np.array([[66, 129, 25], [-38, -74, 112], [112, -94, -18]])  # BT.601, limited, in 1/256
    y, u, v = (((picture @ row + 128) >> 8).clip(-112, 219).astype(np.int16) for row in weights)
    light = (y + 16).astype(np.uint8)
    if form.layout == "gray":
        return np.asarray(light.reshape(-1))
    raw = np.empty(needed_bytes(form), np.uint8)
    u, v = ((plane[:, ::2] + 128).astype(np.uint8) for plane in (u, v))
    if form.layout == "yuyv":
        rows = raw.reshape(form.height, form.width // 2, 4)
        rows[..., 0], rows[..., 2], rows[..., 1], rows[..., 3] = light[:, ::2], light[:, 1::2], u, v
        return raw
    raw[: light.size], u, v = light.reshape(-1), u[::2], v[::2]
    if form.layout == "nv12":
        raw[light.size :] = np.stack([u, v], axis=-1).reshape(-1)
    else:
        raw[light.size :] = np.concatenate([u.reshape(-1), v.reshape(-1)])
    return raw


def _jpeg(picture: NDArray[np.uint8]) -> NDArray[Any]:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=90)
    return np.frombuffer(file.getvalue(), np.uint8)
