"""A camera on a Raspberry Pi's CSI connector, by the board's own picamera2 (libcamera).

The image processor scales and converts, so the model's size is asked of the camera itself: nothing is resized by us.
What the sensor sees is used whole (its mode of half the resolution, which on every official module bins the full
field), then cut or squeezed as the model's pictures were: by ``ScalerCrop``, which scales each axis for itself.
Frames carry the sensor's own time stamp.
"""

from __future__ import annotations

import queue
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, Sequence, Tuple

import numpy as np

from ...errors import AgentError, CameraBusy, CameraLost, CameraMissing
from ..frame import Format, Frame
from ..place import alike, place, serving
from .holders import holders
from .stamp import taken_ns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...wire import Pixels

KNOWN = ("fps", "size")
READ_S = 5.0
BUFFERS = 4
# libcamera names formats by a word's bits, so its BGR888 has red first in memory
LAYOUTS = {"BGR888": "rgb", "RGB888": "bgr", "YUV420": "yu12", "YUYV": "yuyv", "MJPEG": "jpeg"}
INSTALL = "sudo apt install python3-picamera2, and let the runtime's environment see it (--system-site-packages)"
CABLE = "is the cable in, with its contacts the right way round? `rpicam-hello --list-cameras` shows what is found"


@dataclass(frozen=True)
class Wish:
    """Which camera, how many frames a second (0: as it likes), and which size ((0, 0): the model's)."""

    number: int = 0
    fps: float = 0.0
    size: Tuple[int, int] = (0, 0)


class PiCamera:
    """A live source."""

    live = True

    def __init__(self, how: Wish, wanted: Pixels, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._how, self._wanted, self._clock_ns = how, wanted, clock_ns
        self._camera: Any = None
        self._mapped: Any = None
        self._form = Format(0, 0, "rgb")
        self._raw: NDArray[Any] = np.empty(0, np.uint8)
        self._number, self._stuck = -1, False

    def open(self) -> Format:
        """Configure and start. Raises CameraMissing, CameraBusy (naming the holder), CameraLost if it won't start."""
        try:
            from picamera2 import MappedArray, Picamera2
        except ImportError as error:
            raise CameraMissing(f"picamera2 cannot be imported: {error}", INSTALL) from error
        self._mapped = MappedArray
        found = Picamera2.global_camera_info()
        if self._how.number >= len(found):
            names = ", ".join(f"{at} ({one.get('Model', '?')})" for at, one in enumerate(found)) or "none"
            raise CameraMissing(f"there is no camera {self._how.number}; found: {names}", CABLE)
        try:
            self._camera = Picamera2(self._how.number)
        except (RuntimeError, OSError) as error:
            raise self._refused(error) from error
        try:
            self._start()
        except (RuntimeError, OSError) as error:
            self.close()
            raise CameraLost(f"camera {self._how.number} does not start: {error}") from error
        except AgentError:
            self.close()
            raise
        self._number = -1
        return self._form

    def _refused(self, error: BaseException) -> AgentError:
        words = f"{error} {error.__context__ or ''}"
        names = sorted({name for device in ("/dev/media0", "/dev/media1", "/dev/media2") for name in holders(device)})
        if names or "busy" in words.lower():
            who = f"held by {', '.join(names)}" if names else "held by a process that this user cannot see"
            return CameraBusy(f"camera {self._how.number} is {who}", "stop that process, or give another camera")
        return CameraMissing(f"camera {self._how.number} cannot be opened: {words.strip()}", CABLE)

    def _start(self) -> None:
        camera = self._camera
        sensor = camera.sensor_resolution
        main = {"size": self._size(sensor), "format": "YUV420" if self._wanted.color == "gray" else "BGR888"}
        raw = {"size": tuple(edge // 4 * 2 for edge in sensor)}
        controls: Dict[str, Any] = {}
        if self._how.fps:
            controls["FrameDurationLimits"] = (round(1e6 / self._how.fps),) * 2
        camera.configure(camera.create_video_configuration(main=main, raw=raw, buffer_count=BUFFERS, controls=controls))
        got = camera.camera_configuration()["main"]
        if got["format"] not in LAYOUTS:
            raise CameraMissing(f"camera {self._how.number} gives frames of {got['format']}")
        (width, height), layout = got["size"], LAYOUTS[got["format"]]
        self._form = Format(width, height, layout, 0 if layout == "jpeg" else got["stride"])
        if self._wanted.fit == "stretch" and "ScalerCropMaximum" in camera.camera_properties:
            camera.set_controls({"ScalerCrop": camera.camera_properties["ScalerCropMaximum"]})
        camera.start()

    def _size(self, sensor: Tuple[int, int]) -> Tuple[int, int]:
        """The stream's size, even: the model's, without the bars that are laid around a padded picture."""
        width, height = self._how.size
        if not width:
            width, height = place(*sensor, self._wanted).size
        return width + width % 2, height + height % 2

    def read(self) -> Frame | None:
        """The next frame. Raises CameraLost where none comes for 5 s."""
        if self._camera is None:
            raise CameraLost("the camera is not open")
        done: queue.Queue[Any] = queue.Queue()
        # older picamera2 cannot wait with a deadline, all can call back
        self._camera.capture_request(wait=False, signal_function=done.put)
        try:
            request = done.get(timeout=READ_S).get_result()
        except queue.Empty:
            self._stuck = True
            raise CameraLost(f"camera {self._how.number}: no frame for {READ_S:g} s") from None
        except (RuntimeError, OSError) as error:
            raise CameraLost(f"camera {self._how.number}: {error}") from error
        try:
            stamp_ns = request.get_metadata().get("SensorTimestamp", 0)
            with self._mapped(request, "main", reshape=False) as mapped:
                self._keep(mapped.array)
        finally:
            request.release()
        self._number += 1
        return Frame(self._number, self._raw, self._form, self._monotonic(stamp_ns))

    def _keep(self, seen: NDArray[Any]) -> None:
        flat = seen.reshape(-1)
        if self._raw.size != flat.size:
            self._raw = np.empty(flat.size, np.uint8)
        np.copyto(self._raw, flat)

    def _monotonic(self, stamp_ns: int) -> int:
        """A time stamp in our clock. libcamera promises the time since boot, but drivers leave out sleep as we do."""
        now_ns = self._clock_ns()
        if stamp_ns > now_ns:
            stamp_ns -= time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
        return taken_ns(stamp_ns, now_ns)

    def want(self, wanted: Sequence[Pixels]) -> None:
        """Set the camera up anew, if it was set up for other pictures. Raises as ``open``."""
        before, self._wanted = self._wanted, serving(wanted)
        if self._camera is not None and not alike(before, self._wanted):
            self.close()
            self.open()

    def close(self) -> None:
        """Stop and let go of the camera."""
        camera, self._camera = self._camera, None
        stuck, self._stuck = self._stuck, False
        if camera is not None:
            # a stop waits behind the request that never came; before 2024 picamera2 has no way to take that back
            if stuck and hasattr(camera, "cancel_all_and_flush"):
                camera.cancel_all_and_flush()
            with suppress(RuntimeError, OSError):
                camera.stop()
            with suppress(RuntimeError, OSError):
                camera.close()
