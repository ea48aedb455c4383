"""picamera2 as far as we use it, with the signatures of the real one and its rules, but no camera.

Read in raspberrypi/picamera2: picamera2.py, request.py, job.py, of 2025 and of Debian Bookworm's time. We keep to what
both have; ``cancel_all_and_flush`` alone is newer.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

SENSOR = (3280, 2464)
FORMATS = {"BGR888": 3, "RGB888": 3, "XBGR8888": 4, "XRGB8888": 4, "YUV420": 1}


class Stage:
    """What the fake camera does; one for a test."""

    def __init__(self) -> None:
        self.cameras: list[dict[str, Any]] = [{"Model": "imx219", "Location": 2, "Id": "/base/i2c@1a", "Num": 0}]
        self.refusal: Exception | None = None
        self.start_error: Exception | None = None
        self.stuck = False
        self.failed: Exception | None = None
        self.stamps: list[int] = []
        self.smallest = 2
        self.made: list[Picamera2] = []
        self.released = 0


STAGE = Stage()


class Job:
    """What capture_request gives where it does not wait."""

    def __init__(self, result: Any) -> None:
        self._result = result

    def get_result(self, timeout: float | None = None) -> Any:
        """The result, or the error."""
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


class CompletedRequest:
    """A frame that the camera lends."""

    def __init__(self, camera: Picamera2, stamp_ns: int) -> None:
        self.picam2, self._stamp_ns, self.held = camera, stamp_ns, True

    def get_metadata(self) -> dict[str, Any]:
        """As libcamera."""
        assert self.held
        return {"SensorTimestamp": self._stamp_ns, "ExposureTime": 9000} if self._stamp_ns else {}

    def release(self) -> None:
        """Give it back, once."""
        assert self.held
        self.held = False
        STAGE.released += 1


class MappedArray:
    """The memory of a frame, while it is lent."""

    def __init__(self, request: CompletedRequest, stream: str, reshape: bool = True, write: bool = True) -> None:
        self._request, self._reshape = request, reshape
        self._config = request.picam2.camera_config[stream]
        self.array: Any = None

    def __enter__(self) -> MappedArray:
        assert self._request.held
        assert not self._reshape, "reshaping depends on the format; we read strides ourselves"
        rows = self._config["size"][1] * (3 if self._config["format"] == "YUV420" else 2) // 2
        self.array = np.full(rows * self._config["stride"], STAGE.released + 1, np.uint8)
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, exc_traceback: Any) -> None:
        self.array[:] = 0  # the camera writes into it again
        self.array = None


class Picamera2:
    """One camera."""

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        """The cameras that are there."""
        return STAGE.cameras

    def __init__(
        self, camera_num: Any = 0, verbose_console: Any = None, tuning: Any = None, allocator: Any = None
    ) -> None:
        if STAGE.refusal:
            try:
                raise STAGE.refusal
            except RuntimeError:
                raise RuntimeError("Camera __init__ sequence did not complete.")  # noqa: B904 - as the real one does
        assert camera_num < len(STAGE.cameras)
        self.sensor_resolution = SENSOR
        self.camera_config: Any = None
        self.calls: list[str] = []
        self.controls: dict[str, Any] = {}
        self.pending = 0
        STAGE.made.append(self)

    @property
    def camera_properties(self) -> dict[str, Any]:
        """As libcamera tells them."""
        return {"Model": "imx219", "ScalerCropMaximum": (0, 0, *SENSOR)}

    def create_video_configuration(
        self,
        main: Any = None,
        lores: Any = None,
        raw: Any = None,
        transform: Any = None,
        colour_space: Any = None,
        buffer_count: int = 6,
        controls: Any = None,
        display: str = "main",
        encode: str = "main",
        queue: bool = True,
    ) -> dict[str, Any]:
        """A configuration of these streams."""
        assert set(main) <= {"size", "format"}
        assert set(raw) <= {"size", "format"}
        return {"main": dict(main), "raw": dict(raw), "controls": controls, "buffer_count": buffer_count}

    def configure(self, camera_config: Any = "preview") -> None:
        """Set up, by libcamera's rules: even sizes, its own formats, rows padded to 64 bytes."""
        for stream in ("main", "raw"):
            width, height = camera_config[stream]["size"]
            assert isinstance(camera_config[stream]["size"], tuple)
            if width % 2 or height % 2:
                raise RuntimeError("width and height should be even")
        main = camera_config["main"]
        main["size"] = tuple(max(edge, STAGE.smallest) for edge in main["size"])
        main["stride"] = -(-main["size"][0] * FORMATS[main["format"]] // 64) * 64
        self.controls |= camera_config["controls"]
        self.camera_config = camera_config

    def camera_configuration(self) -> dict[str, Any]:
        """What was set up."""
        assert self.camera_config is not None
        return dict(self.camera_config)

    def set_controls(self, controls: Any) -> None:
        """Controls for the next frame."""
        self.controls |= controls

    def start(self, config: Any = None, show_preview: Any = False) -> None:
        """Begin."""
        self.calls.append("start")
        if STAGE.start_error:
            raise STAGE.start_error

    def capture_request(
        self, wait: Any = None, signal_function: Callable[[Job], None] | None = None, flush: Any = None
    ) -> Job:
        """The next frame, later."""
        assert wait is False, "waiting has no deadline in Bookworm's version"
        self.pending += 1
        job = Job(STAGE.failed or CompletedRequest(self, STAGE.stamps.pop(0) if STAGE.stamps else 0))
        if not STAGE.stuck and signal_function is not None:
            self.pending -= 1
            signal_function(job)
        return job

    def cancel_all_and_flush(self) -> None:
        """Forget what was asked for."""
        self.calls.append("cancel")
        self.pending = 0

    def stop(self) -> None:
        """End; a real one would wait for ever behind a request that never comes."""
        assert not self.pending
        self.calls.append("stop")

    def close(self) -> None:
        """Let go."""
        self.calls.append("close")


def module() -> types.ModuleType:
    """The module, to stand in ``sys.modules``, and a stage that is swept."""
    STAGE.__init__()  # type: ignore[misc]
    made = types.ModuleType("picamera2")
    made.Picamera2, made.MappedArray = Picamera2, MappedArray  # type: ignore[attr-defined]
    return made
