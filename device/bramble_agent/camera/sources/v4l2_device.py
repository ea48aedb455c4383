"""What is asked of a Video4Linux2 device: its file, and the kernel's requests as methods with plain values.

Every method raises OSError as the kernel does; what that means is for ``v4l2.py`` to say.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import select
from typing import Iterator, List, Tuple

from ..frame import Format
from . import v4l2_words as words
from .v4l2_choose import Offer

COMMON_SIZES = ((160, 120), (320, 240), (640, 480), (1280, 720))


class Device:
    """The device's file."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)

    def call(self, request: int, data: bytearray) -> None:
        """Make a request; the kernel's answer is in ``data``."""
        fcntl.ioctl(self._file, request, data, True)

    def map(self, length: int, offset: int) -> mmap.mmap:
        """A buffer of the driver as memory."""
        return mmap.mmap(self._file, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)

    def ready(self, timeout_s: float) -> bool:
        """Wait until a frame (or an error) is there; False where none comes in time."""
        return bool(self._poll.poll(timeout_s * 1000))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class Camera:
    """The requests that a stream takes."""

    def __init__(self, device: Device, size_of_pointer: int = words.Words().pointer) -> None:
        self.device = device
        self._words = words.Words(size_of_pointer)
        self._requests = words.requests(self._words)

    def can_capture(self) -> bool:
        """Whether it gives frames, in one plane of memory, as a stream."""
        data = bytearray(words.CAPABILITY.size)
        self.device.call(self._requests.query_capabilities, data)
        _, _, _, _, whole, own = words.CAPABILITY.unpack(data)
        can = own if whole & words.HAS_DEVICE_CAPS else whole
        return bool(can & words.CAN_CAPTURE and can & words.CAN_STREAM)

    def formats(self) -> List[str]:
        """The four characters of every pixel format."""
        found: List[str] = []
        for data in self._listed(words.FORMAT_DESCRIPTION.size, self._requests.list_formats, (0, words.CAPTURE)):
            found.append(words.name(words.FORMAT_DESCRIPTION.unpack(data)[4]))
        return found

    def sizes(self, code: str) -> List[Offer]:
        """The sizes of a pixel format; some common ones where the driver does not list them (it takes the nearest)."""
        layout, found = words.LAYOUTS[code], []
        for data in self._listed(words.FRAME_SIZE.size, self._requests.list_sizes, (0, words.code(code))):
            _, _, kind, *has = words.FRAME_SIZE.unpack(data)
            if kind == words.SIZES_DISCRETE:
                found.append(Offer(code, layout, (has[0], has[1]), (has[0], has[1])))
            else:
                found.append(Offer(code, layout, (has[0], has[3]), (has[1], has[4]), (has[2], has[5])))
                break
        return found or [Offer(code, layout, size, size) for size in COMMON_SIZES]

    def _listed(self, size: int, request: int, first: Tuple[int, int]) -> Iterator[bytearray]:
        for index in range(256):
            data = bytearray(size)
            data[:8] = index.to_bytes(4, "little") + first[1].to_bytes(4, "little")
            try:
                self.device.call(request, data)
            except OSError as error:
                if error.errno in (errno.EINVAL, errno.ENOTTY):  # there are no more, or it does not list them
                    return
                raise
            yield data

    def set_format(self, code: str, size: Tuple[int, int]) -> Format:
        """Ask for a format; what the driver made of it."""
        data = bytearray(self._words.format_size)
        at = self._words.format_before
        data[:4] = words.CAPTURE.to_bytes(4, "little")
        words.PICTURE.pack_into(data, at, *size, words.code(code), words.FIELD_NONE, *[0] * 8)
        self.device.call(self._requests.set_format, data)
        width, height, got, _, stride, _, space, _, _, coding, span, _ = words.PICTURE.unpack_from(data, at)
        layout = words.LAYOUTS.get(words.name(got))
        if layout is None:
            raise OSError(errno.EINVAL, f"the driver gives {words.name(got)} where {code} was asked for")
        return Format(width, height, layout, 0 if layout == "jpeg" else stride, _colours(space, coding, span))

    def set_rate(self, fps: float) -> None:
        """Ask for frames a second; the driver takes the nearest."""
        data = bytearray(words.STREAM_PARAMETERS.pack(words.CAPTURE, 1000, round(fps * 1000)))
        self.device.call(self._requests.set_parameters, data)

    def buffers(self, count: int) -> Iterator[Tuple[int, int]]:
        """Ask for buffers; length and offset of each."""
        data = bytearray(words.REQUEST_BUFFERS.pack(count, words.CAPTURE, words.MMAP))
        self.device.call(self._requests.request_buffers, data)
        for index in range(words.REQUEST_BUFFERS.unpack(data)[0]):
            one = self._buffer(self._requests.query_buffer, index)
            yield one.length, one.offset

    def free_buffers(self) -> None:
        """Give all buffers up; memory that is still mapped stays as it is, from Linux 4.20 on."""
        self.device.call(
            self._requests.request_buffers, bytearray(words.REQUEST_BUFFERS.pack(0, words.CAPTURE, words.MMAP))
        )

    def queue(self, index: int) -> None:
        """Give a buffer to the driver."""
        self._buffer(self._requests.queue, index)

    def dequeue(self) -> words.Buffer | None:
        """The oldest buffer that is filled, or None."""
        try:
            return self._buffer(self._requests.dequeue, 0)
        except BlockingIOError:
            return None

    def stream_on(self) -> None:
        """Begin."""
        self.device.call(self._requests.stream_on, bytearray(words.CAPTURE.to_bytes(4, "little")))

    def stream_off(self) -> None:
        """End."""
        self.device.call(self._requests.stream_off, bytearray(words.CAPTURE.to_bytes(4, "little")))

    def _buffer(self, request: int, index: int) -> words.Buffer:
        asked = words.Buffer(index, words.CAPTURE, 0, 0, 0, 0, 0, 0, words.MMAP, 0, 0)
        data = self._words.packed(asked)
        self.device.call(request, data)
        return self._words.unpacked(data)


def _colours(space: int, coding: int, span: int) -> str:
    """What Y, U and V mean, by the kernel's rules for what a driver leaves open."""
    new = coding == words.BT709_CODING or (not coding and space == words.REC709_COLOURS)
    full = span == words.FULL_RANGE or (not span and space == words.JPEG_COLOURS)
    return ("709" if new else "601") + ("-full" if full else "")
