"""A video: a stream on the network (RTSP over TCP, HTTP) or a file, decoded by PyAV (FFmpeg's libraries).

A network stream is live. A board too slow to decode all of it would fall behind further and further: beyond ``LAG_NS``
nothing is decoded until a key frame has caught up, which its number tells. Of a file every frame is given.
Every wait has a deadline. No message holds an address's user and password.
"""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Deque, Iterator, Sequence, Tuple, Type
from urllib.parse import urlsplit

from ...errors import AgentError, BadRequest, CameraLost, CameraMissing, FrameDamaged
from ..frame import Format, Frame
from .arrival import Arrival
from .picture import Unpacker

if TYPE_CHECKING:
    from ...wire import Pixels

SUFFIXES = (".mp4", ".m4v", ".mkv", ".webm", ".mov", ".avi", ".ts", ".mpg", ".mpeg", ".h264", ".264", ".mjpeg", ".mjpg")
OPEN_S, READ_S = 10.0, 5.0
LAG_NS = 1_000_000_000
WAITED_NS = 5_000_000
"""A packet that took longer to come is the newest there is: what it is late by is not our fault."""
TRIES = 16
"""How often in a row a file may be unreadable before it is given up."""
INSTALL = "install it on the board: pip install av (or apt install python3-av)"


@dataclass(frozen=True)
class Video:
    """What is opened: an address or a file; ``name`` is what messages call it."""

    address: str
    name: str
    live: bool
    loop: bool = False


def file_video(path: str, loop: bool = False) -> Video:
    """A file."""
    return Video(os.path.expanduser(path), path, False, loop)


def network_video(address: str) -> Video:
    """A stream; over HTTP an address that ends like a video file's name is a file."""
    parts = urlsplit(address)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    name = f"{parts.scheme}://{host}{'' if parts.port is None else f':{parts.port}'}{parts.path}"
    is_file = parts.scheme.startswith("http") and parts.path.lower().endswith(SUFFIXES)
    return Video(address, name, not is_file)


class Stream:
    """A source, live for a network's stream."""

    def __init__(self, video: Video, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.live = video.live
        self._video, self._clock_ns = video, clock_ns
        self._errors: Tuple[Type[Any], ...] = ()
        self._container: Any = None
        self._stream: Any = None
        self._packets: Iterator[Any] = iter(())
        self._pending: Deque[Any] = deque()
        self._unpacker, self._arrival = Unpacker(), Arrival()
        self._number, self._whole, self._broken = -1, 0, 0
        self._catches_up = self._lagging = self._waited = False

    def open(self) -> Format:
        """Connect and find the video. Raises CameraMissing, or BadRequest for what is no video or a wrong password."""
        try:
            import av
        except ImportError as error:
            raise CameraMissing("videos are decoded by PyAV, which cannot be imported", INSTALL) from error
        self._errors = (av.error.FFmpegError,)
        # its rate is not guessed from frames: connecting took ten times as long ("nobuffer" costs a group of frames)
        options = {"rtsp_transport": "tcp", "fpsprobesize": "0"} if self.live else {}
        try:
            self._container = av.open(self._video.address, options=options, timeout=(OPEN_S, READ_S))
        except self._errors as error:
            raise self._refused(error, isinstance(error, av.error.HTTPUnauthorizedError)) from None
        videos = self._container.streams.video
        if not videos:
            self.close()
            raise BadRequest(f"there is no video in {self._video.name}")
        self._stream = videos[0]
        # frames decoded beside one another come later, each: no good where the newest is wanted
        self._stream.thread_type = "SLICE" if self.live else "AUTO"
        self._packets = self._container.demux(self._stream)
        self._pending.clear()
        self._arrival, self._number, self._whole, self._broken = Arrival(), -1, 0, 0
        self._catches_up = self.live and self._container.format.name != "hls"  # which comes in pieces of seconds
        return Format(self._stream.width, self._stream.height, "yu12")

    def _refused(self, error: Any, by_password: bool) -> AgentError:
        name, why = self._video.name, _words(error)
        if by_password:
            return BadRequest(f"{name} does not take this user and password", "give rtsp://USER:PASSWORD@HOST/PATH")
        if not self.live and isinstance(error, ValueError):
            return BadRequest(f"{name} is no video that can be read: {why}")
        return CameraMissing(f"{name}: {why}", "is it there, and can this board reach it?")

    def read(self) -> Frame | None:
        """The next frame; None at a file's end. Raises FrameDamaged, and CameraLost where a stream ends or stops."""
        if self._container is None:
            raise CameraLost(f"{self._video.name} is not open")
        while not self._pending:
            packet = self._packet()
            if packet is not None:
                self._decode(packet)
            elif not self._again():
                return None
        frame = self._pending.popleft()
        self._number += 1
        if frame.is_corrupt:
            raise FrameDamaged(f"{self._video.name}: frame {self._number} is damaged")
        self._whole += 1
        now_ns = self._clock_ns()
        place_ns = None if frame.time is None else int(frame.time * 1e9)
        taken_ns = self._arrival.taken_ns(place_ns, now_ns) if self.live else now_ns
        form, raw = self._unpacker.unpack(frame)
        return Frame(self._number, raw, form, taken_ns)

    def _packet(self) -> Any:
        """The next packet, None at the end."""
        begin_ns = self._clock_ns()
        try:
            packet = next(self._packets, None)
        except self._errors as error:
            self._broken += 1
            self._packets = self._container.demux(self._stream)  # an error has ended the old one
            if self.live or self._broken >= TRIES or not isinstance(error, ValueError):
                raise CameraLost(f"{self._video.name}: {_words(error)}") from None
            raise FrameDamaged(f"{self._video.name}: {_words(error)}") from None
        self._broken = 0
        self._waited = self._clock_ns() - begin_ns > WAITED_NS
        return packet

    def _decode(self, packet: Any) -> None:
        if self._catches_up and self._too_old(packet):
            self._number += 1
            return
        try:
            frames = packet.decode()
        except self._errors as error:
            self._number += 1
            raise FrameDamaged(f"{self._video.name}: {_words(error)}") from None
        self._pending.extend(frames)

    def _too_old(self, packet: Any) -> bool:
        """Whether to leave a packet out: from where frames lag, to a key frame that is fresh or was waited for."""
        if packet.pts is None or packet.time_base is None:
            return self._lagging
        now_ns = self._clock_ns()
        age_ns = now_ns - self._arrival.taken_ns(int(packet.pts * packet.time_base * 1_000_000_000), now_ns)
        if self._waited or age_ns < LAG_NS // 4:
            self._lagging = self._lagging and not packet.is_keyframe
        elif age_ns > LAG_NS:
            self._lagging = True
        return self._lagging

    def _again(self) -> bool:
        """What to do at the end: begin anew (True), or be at the end (False)."""
        if self.live:
            raise CameraLost(f"{self._video.name} ended")
        if not self._video.loop or not self._whole:
            return False
        self._container.seek(0)
        self._packets, self._whole = self._container.demux(self._stream), 0
        return True

    def want(self, wanted: Sequence[Pixels]) -> None:
        """A video's frames are whole, for every model."""

    def close(self) -> None:
        """Disconnect."""
        container, self._container, self._stream = self._container, None, None
        self._packets, self._lagging = iter(()), False
        self._pending.clear()
        if container is not None:
            container.close()


def _words(error: Any) -> str:
    """What FFmpeg says, without the address: that may hold a password."""
    return str(error.strerror or type(error).__name__)
