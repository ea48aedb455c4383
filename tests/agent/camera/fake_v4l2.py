"""A camera that answers as the kernel does, request by request, with structures laid out here by hand.

Offsets are those of include/uapi/linux/videodev2.h for 64-bit and 32-bit programs, written down and not computed.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# request number: name, for pointers of 8 bytes and of 4
NUMBERS = {
    8: {
        0x80685600: "capabilities",
        0xC0405602: "formats",
        0xC0D05605: "format",
        0xC0145608: "buffers",
        0xC0585609: "buffer",
        0xC058560F: "queue",
        0xC0585611: "dequeue",
        0x40045612: "on",
        0x40045613: "off",
        0xC0CC5616: "rate",
        0xC02C564A: "sizes",
    }
}
NUMBERS[4] = {
    number: name for number, name in NUMBERS[8].items() if name not in ("format", "buffer", "queue", "dequeue")
}
NUMBERS[4] |= {0xC0CC5605: "format", 0xC0445609: "buffer", 0xC044560F: "queue", 0xC0445611: "dequeue"}
# offsets in v4l2_buffer: seconds, microseconds, sequence, memory, offset, length, and the code of a long
BUFFER = {8: (24, 32, 56, 60, 64, 72, "<q"), 4: (20, 24, 44, 48, 52, 56, "<i")}


@dataclass
class Shot:
    """What the driver fills into a buffer."""

    fill: int
    sequence: int
    stamp_ns: int
    flags: int = 0x2000
    cut: int = 0


@dataclass
class FakeCamera:
    """A driver. ``errors`` maps a request's name to what it raises once; ``shots`` are what it films."""

    pointer: int = 8
    listed: dict[str, list[tuple[int, ...]]] = field(default_factory=lambda: {"YUYV": [(640, 480), (160, 120)]})
    capabilities: int = 0x84200001
    own: int = 0x04200001
    picture: dict[str, int] = field(default_factory=dict)
    errors: dict[str, list[int]] = field(default_factory=dict)
    shots: deque[Shot | int] = field(default_factory=deque)
    closed: bool = False

    def __post_init__(self) -> None:
        self.called: list[str] = []
        self.queued: list[int] = []
        self.set: tuple[int, int, str] = (0, 0, "")
        self.rate = 0.0
        self.buffers = 0
        self.waited: Callable[[float], None] = lambda seconds: None
        self.maps: list[mmap.mmap] = []

    def call(self, request: int, data: bytearray) -> None:
        """As ioctl."""
        name = NUMBERS[self.pointer].get(request)
        assert name is not None, hex(request)
        assert len(data) == (request >> 16) & 0x3FFF
        self.called.append(name)
        if self.errors.get(name):
            code = self.errors[name].pop(0)
            raise OSError(code, os.strerror(code))
        getattr(self, f"_{name}")(data)

    def _capabilities(self, data: bytearray) -> None:
        struct.pack_into("<II", data, 84, self.capabilities, self.own)

    def _formats(self, data: bytearray) -> None:
        at, kind = struct.unpack_from("<II", data)
        assert kind == 1
        if at >= len(self.listed):
            raise OSError(errno.EINVAL, "no more")
        data[44:48] = list(self.listed)[at].encode()

    def _sizes(self, data: bytearray) -> None:
        at, code = struct.unpack_from("<I4s", data)
        sizes = self.listed[code.decode()]
        if at >= len(sizes):
            raise OSError(errno.EINVAL, "no more")
        struct.pack_into("<I", data, 8, 1 if len(sizes[at]) == 2 else 3)
        struct.pack_into(f"<{len(sizes[at])}I", data, 12, *sizes[at])

    def _format(self, data: bytearray) -> None:
        at = self.pointer
        width, height, code, interlace = struct.unpack_from("<II4sI", data, at)
        assert (struct.unpack_from("<I", data)[0], interlace) == (1, 1)
        self.set = width, height, code.decode()
        per_row = self.picture.get("stride", {"YUYV": 2, "RGB3": 3, "BGR3": 3}.get(self.set[2], 1) * width)
        struct.pack_into("<4I", data, at, self.picture.get("width", width), height, int.from_bytes(code, "little"), 1)
        struct.pack_into("<3I", data, at + 16, per_row, self.size, self.picture.get("space", 8))
        struct.pack_into("<2I", data, at + 36, self.picture.get("coding", 0), self.picture.get("span", 0))

    @property
    def size(self) -> int:
        """Bytes of a buffer."""
        return max(mmap.PAGESIZE, self.set[0] * self.set[1] * 4)

    def _rate(self, data: bytearray) -> None:
        top, bottom = struct.unpack_from("<II", data, 12)
        self.rate = bottom / top

    def _buffers(self, data: bytearray) -> None:
        count, kind, memory = struct.unpack_from("<III", data)
        assert (kind, memory) == (1, 1)
        self.buffers = min(count, 3)
        struct.pack_into("<I", data, 0, self.buffers)

    def _buffer(self, data: bytearray) -> None:
        *_, offset, length, _ = BUFFER[self.pointer]
        index = struct.unpack_from("<I", data)[0]
        struct.pack_into("<I", data, offset, index * 0x10000)
        struct.pack_into("<I", data, length, self.size)

    def _queue(self, data: bytearray) -> None:
        index, kind = struct.unpack_from("<II", data)
        assert kind == 1
        assert struct.unpack_from("<I", data, BUFFER[self.pointer][3])[0] == 1
        assert index not in self.queued
        self.queued.append(index)

    def _dequeue(self, data: bytearray) -> None:
        if not self.shots:
            raise BlockingIOError(errno.EAGAIN, "none yet")
        shot = self.shots.popleft()
        if isinstance(shot, int):
            raise OSError(shot, os.strerror(shot))
        index = self.queued.pop(0)
        mapped = self.maps[index]
        mapped[:] = bytes([shot.fill]) * len(mapped)
        width, height, code = self.set
        used = {"YUYV": 2 * width * height, "NV12": width * height * 3 // 2}.get(code, width * height) - shot.cut
        seconds, micros, sequence, _, _, _, long = BUFFER[self.pointer]
        struct.pack_into("<5I", data, 0, index, 1, used, shot.flags, 1)
        struct.pack_into(long, data, seconds, shot.stamp_ns // 10**9)
        struct.pack_into(long, data, micros, shot.stamp_ns % 10**9 // 1000)
        struct.pack_into("<I", data, sequence, shot.sequence)

    def _on(self, data: bytearray) -> None:
        assert data == bytearray([1, 0, 0, 0])

    _off = _on

    def map(self, length: int, offset: int) -> Any:
        """Memory that is nobody's."""
        assert (length, offset) == (self.size, len(self.maps) * 0x10000)
        self.maps.append(mmap.mmap(-1, length))
        return self.maps[-1]

    def ready(self, timeout_s: float) -> bool:
        """Frames are there or never will be."""
        if not self.shots:
            self.waited(timeout_s)
        return bool(self.shots)

    def close(self) -> None:
        """Noted."""
        self.closed = True
