"""The kernel's Video4Linux2 structures and request numbers, for 64-bit and for 32-bit programs.

From include/uapi/linux/videodev2.h. A request's number holds the size of its structure, and two of them differ with the
size of a pointer and of ``long``: v4l2_format (208 and 204 bytes) and v4l2_buffer (88 and 68). A 32-bit program's size
tells the kernel, also a 64-bit one, that time stamps are 32 bit wide: enough, they count from the start. All numbers
are little-endian, as on every board that Bramble knows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

CAPTURE, MMAP, FIELD_NONE = 1, 1, 1
CAN_CAPTURE, CAN_STREAM, HAS_DEVICE_CAPS = 0x1, 0x04000000, 0x80000000
FLAG_ERROR, FLAG_STAMP, FLAG_MONOTONIC = 0x40, 0xE000, 0x2000
SIZES_DISCRETE = 1
FULL_RANGE, JPEG_COLOURS, REC709_COLOURS, BT709_CODING, BT601_CODING = 1, 7, 3, 2, 1

LAYOUTS = {
    "YUYV": "yuyv",
    "NV12": "nv12",
    "YU12": "yu12",
    "GREY": "gray",
    "RGB3": "rgb",
    "BGR3": "bgr",
    "MJPG": "jpeg",
    "JPEG": "jpeg",
}

CAPABILITY = struct.Struct("<16s32s32sIII12x")
FORMAT_DESCRIPTION = struct.Struct("<III32sI16x")
FRAME_SIZE = struct.Struct("<III6I8x")
PICTURE = struct.Struct("<12I")  # v4l2_pix_format
REQUEST_BUFFERS = struct.Struct("<III8x")
STREAM_PARAMETERS = struct.Struct("<I8xII184x")


class Buffer(NamedTuple):
    """v4l2_buffer, but for its time code."""

    at: int
    type: int
    bytes_used: int
    flags: int
    field: int
    seconds: int
    microseconds: int
    sequence: int
    memory: int
    offset: int
    length: int


_BUFFER = {8: struct.Struct("<5I4xqq16xIIQI12x"), 4: struct.Struct("<5Iii16xIIII8x")}


@dataclass(frozen=True)
class Words:
    """What depends on the size of a pointer in bytes: 8 or 4."""

    pointer: int = struct.calcsize("P")

    @property
    def buffer(self) -> struct.Struct:
        """v4l2_buffer with memory-mapped frames."""
        return _BUFFER[self.pointer]

    @property
    def format_before(self) -> int:
        """Bytes of v4l2_format before its v4l2_pix_format."""
        return self.pointer

    @property
    def format_size(self) -> int:
        """Bytes of v4l2_format."""
        return self.pointer + 200

    def packed(self, buffer: Buffer) -> bytearray:
        """A v4l2_buffer as the kernel takes it."""
        return bytearray(self.buffer.pack(*buffer))

    def unpacked(self, data: bytearray) -> Buffer:
        """A v4l2_buffer as the kernel gave it."""
        return Buffer(*self.buffer.unpack(data))


def request(direction: str, number: int, size: int) -> int:
    """A request's number: what the program does with the structure ("r", "w" or "rw"), which one, and its size."""
    return {"w": 1, "r": 2, "rw": 3}[direction] << 30 | size << 16 | ord("V") << 8 | number


class Requests(NamedTuple):
    """The numbers of the requests."""

    query_capabilities: int
    list_formats: int
    set_format: int
    request_buffers: int
    query_buffer: int
    queue: int
    dequeue: int
    stream_on: int
    stream_off: int
    set_parameters: int
    list_sizes: int


def requests(words: Words) -> Requests:
    """The numbers of the requests for a size of pointers."""
    form, buffer = words.format_size, words.buffer.size
    return Requests(
        query_capabilities=request("r", 0, CAPABILITY.size),
        list_formats=request("rw", 2, FORMAT_DESCRIPTION.size),
        set_format=request("rw", 5, form),
        request_buffers=request("rw", 8, REQUEST_BUFFERS.size),
        query_buffer=request("rw", 9, buffer),
        queue=request("rw", 15, buffer),
        dequeue=request("rw", 17, buffer),
        stream_on=request("w", 18, 4),
        stream_off=request("w", 19, 4),
        set_parameters=request("rw", 22, STREAM_PARAMETERS.size),
        list_sizes=request("rw", 74, FRAME_SIZE.size),
    )


def code(name: str) -> int:
    """The number of a pixel format's four characters."""
    return int.from_bytes(name.encode("ascii"), "little")


def name(code: int) -> str:
    """The four characters of a pixel format; what cannot be printed becomes "?"."""
    return "".join(chr(byte) if 32 < byte < 127 else "?" for byte in (code & 0x7FFFFFFF).to_bytes(4, "little"))
