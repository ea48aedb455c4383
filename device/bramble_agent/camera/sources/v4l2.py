"""A camera of the kernel's Video4Linux2 (USB cameras, capture cards): frames straight from the driver's memory.

Plain requests to the kernel, memory-mapped buffers, and a deadline on every wait. No frame is copied here: it is the
driver's own buffer, given back at the next read. Where several are ready, the newest is read. Not for cameras on a
Raspberry Pi's CSI connector: those give raw sensor values, and ``picamera2:`` reads them through the image processor.
"""

from __future__ import annotations

import errno
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, List, Sequence, Tuple

import numpy as np

from ...errors import AgentError, BadRequest, CameraBusy, CameraLost, CameraMissing, FrameDamaged
from ..frame import Format, Frame
from ..place import serving
from ..planes import needed_bytes
from .holders import told
from .options import Options, nearest
from .stamp import taken_ns
from .v4l2_choose import Offer, choose
from .v4l2_device import Camera, Device
from .v4l2_words import FLAG_ERROR, FLAG_MONOTONIC, FLAG_STAMP, LAYOUTS, Buffer

if TYPE_CHECKING:
    import mmap

    from numpy.typing import NDArray

    from ...wire import Pixels

KNOWN = ("size", "fps", "format")
BUFFERS = 4
READ_S = 5.0
LISTED = "`v4l2-ctl --list-devices` shows cameras"
GONE = (errno.ENODEV, errno.ENXIO, errno.ENOENT)
"""What opening and setting up raise where there is no such device."""


@dataclass(frozen=True)
class Wish:
    """What is asked of a camera; (0, 0), 0 and "" leave it to us."""

    size: Tuple[int, int] = (0, 0)
    fps: float = 0.0
    code: str = ""


def wish(options: Options) -> Wish:
    """What the options of a source ask for."""
    size = options.size("size", (1, 1)) if "size" in options.given else (0, 0)
    code = options.given.get("format", "").upper()
    if code and code not in LAYOUTS:
        raise BadRequest(f"the source {options.source!r}: {code} cannot be read", nearest(code, list(LAYOUTS)))
    return Wish(size, options.rate("fps"), code)


class V4l2:
    """A live source."""

    live = True

    def __init__(
        self,
        path: str,
        wanted: Pixels,
        how: Wish,
        device: Callable[[str], Device] = Device,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._path, self._wanted, self._how = path, wanted, how
        self._device, self._clock_ns = device, clock_ns
        self._camera: Camera | None = None
        self._maps: List[mmap.mmap] = []
        self._memory: List[NDArray[Any]] = []
        self._held: Buffer | None = None
        self._form, self._chosen = Format(0, 0, "yuyv"), ("", (0, 0))
        self._number = -1

    def open(self) -> Format:
        """Choose a format and start the stream.

        Raises CameraMissing, CameraBusy (naming the holder), BadRequest for a device that is no such camera, and
        CameraLost where the driver does not start the stream.
        """
        try:
            self._camera = Camera(self._device(self._path))
            self._check(self._camera)
            self._set_up(self._camera)
        except OSError as error:
            self.close()
            raise self._refused(error) from error
        except AgentError:
            self.close()
            raise
        try:
            self._camera.stream_on()
        except OSError as error:
            self.close()
            if error.errno == errno.EBUSY:
                raise self._refused(error) from error
            raise CameraLost(f"{self._path} does not start: {error.strerror}") from error
        self._number = -1
        return self._form

    def _check(self, camera: Camera) -> None:
        try:
            can = camera.can_capture()
        except OSError as error:
            if error.errno in (errno.ENOTTY, errno.EINVAL):
                raise BadRequest(f"{self._path} is no Video4Linux2 camera: {error.strerror}") from error
            raise
        if not can:
            raise BadRequest(f"{self._path} gives no frames as a stream", LISTED)

    def _set_up(self, camera: Camera) -> None:
        self._chosen = self._choice(camera)
        self._form = camera.set_format(*self._chosen)
        if self._how.fps:
            with suppress(OSError):  # many drivers have one rate only
                camera.set_rate(self._how.fps)
        for length, offset in camera.buffers(BUFFERS):
            self._maps.append(camera.device.map(length, offset))
            self._memory.append(np.frombuffer(self._maps[-1], np.uint8))
        for index in range(len(self._maps)):
            camera.queue(index)

    def _choice(self, camera: Camera) -> Tuple[str, Tuple[int, int]]:
        """The four characters of the best format, and its size."""
        size = self._how.size if self._how.size[0] else (self._wanted.width, self._wanted.height)
        offer, has = choose(self._offers(camera), size, self._wanted)
        return offer.code, has

    def _offers(self, camera: Camera) -> List[Offer]:
        codes = camera.formats()
        usable = [one for one in codes if one in LAYOUTS and self._how.code in ("", one)]
        if not usable:
            asked = f", not {self._how.code}" if self._how.code else ""
            hint = "a camera on the CSI connector is read by picamera2:0" if not set(codes) & set(LAYOUTS) else ""
            raise BadRequest(f"{self._path} gives {', '.join(codes) or 'no frames'}{asked}", hint)
        return [offer for one in usable for offer in camera.sizes(one)]

    def _refused(self, error: OSError) -> AgentError:
        if error.errno == errno.EBUSY:
            return CameraBusy(f"{self._path} is {told(self._path)}", "stop that process, or give another camera")
        if error.errno in (errno.EACCES, errno.EPERM):
            hint = "add this user to the group: sudo usermod -aG video $USER, then log in again"
            return CameraMissing(f"{self._path} may not be opened by this user", hint)
        if error.errno in GONE:
            return CameraMissing(f"there is no camera {self._path}", LISTED)
        return CameraMissing(f"{self._path} cannot be set up: {error.strerror}")

    def read(self) -> Frame | None:
        """The newest frame. Raises CameraLost where none comes for 5 s or the camera went away."""
        camera = self._camera
        if camera is None:
            raise CameraLost("the camera is not open")
        try:
            if self._held is not None:
                held, self._held = self._held, None
                camera.queue(held.at)
            self._held = buffer = self._newest(camera)
        except OSError as error:
            raise CameraLost(f"{self._path}: {error.strerror}") from error
        now_ns = self._clock_ns()
        self._number = max(buffer.sequence, self._number + 1)  # some drivers do not count
        return self._whole(buffer, now_ns)

    def _newest(self, camera: Camera) -> Buffer:
        end_ns = self._clock_ns() + int(READ_S * 1e9)
        newest = None
        while newest is None:
            left_s = (end_ns - self._clock_ns()) / 1e9
            if left_s <= 0 or not camera.device.ready(left_s):
                raise CameraLost(f"{self._path}: no frame for {READ_S:g} s")
            newest = camera.dequeue()
        newer = camera.dequeue()
        while newer is not None:
            camera.queue(newest.at)
            newest, newer = newer, camera.dequeue()
        return newest

    def _whole(self, buffer: Buffer, now_ns: int) -> Frame:
        needed = max(1, needed_bytes(self._form))
        if buffer.flags & FLAG_ERROR or buffer.bytes_used < needed:
            raise FrameDamaged(
                f"{self._path}: frame {self._number} has {buffer.bytes_used} of {needed} bytes, or errors"
            )
        stamp_ns = buffer.seconds * 1_000_000_000 + buffer.microseconds * 1000
        monotonic = buffer.flags & FLAG_STAMP == FLAG_MONOTONIC
        taken = taken_ns(stamp_ns, now_ns) if monotonic else now_ns
        return Frame(self._number, self._memory[buffer.at][: buffer.bytes_used], self._form, taken)

    def want(self, wanted: Sequence[Pixels]) -> None:
        """Set the camera up anew, if another format or size is better for these. Raises as ``open``."""
        self._wanted = serving(wanted)
        if self._camera is None:
            return
        try:
            stays = self._choice(self._camera) == self._chosen
        except OSError as error:
            raise CameraLost(f"{self._path}: {error.strerror}") from error
        if not stays:
            self.close()
            self.open()

    def close(self) -> None:
        """Stop the stream and give everything back, also where the device is gone."""
        camera, self._camera, self._held = self._camera, None, None
        self._memory = []
        maps, self._maps = self._maps, []
        if camera is None:
            return
        with suppress(OSError):
            camera.stream_off()
        for one in maps:
            with suppress(BufferError):  # somebody looks at a frame: it goes with the last who does
                one.close()
        with suppress(OSError):  # a frame that is looked at would keep the camera busy, also without its file
            camera.free_buffers()
        camera.device.close()
