"""A packed model: a .tflite in as few bytes as it can be had again from, bit for bit.

    b"BPk"      3 bytes
    version     1 byte
    sha256      32 bytes, of the .tflite
    size        of the .tflite, as a varint (7 bits a byte, the lowest first)
    length      of the arithmetic code, as a varint
    code        see ``range_decoder``: the parts (``parts``), the content of each that is coded here (scales
                first, ``contents``), the skeleton (``skeleton``)
    tail        what parts of kind PLANES and PACKED refer to, in the order of the file; then the skeleton, if packed

The skeleton is what lies between the parts: the flatbuffer's tables, names and options. The code says how it is packed:
0, in the code itself, or 1 + a method of ``contents.unpacked`` and the bytes of it in the tail.

Only the standard library and NumPy are needed. Bounded: a part's size is compared with the file's before anything is
allocated for it, the file's with a limit, and decisions are counted against the budget of ``range_decoder``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Tuple

from ..errors import BundleDamaged, BundleTooNew
from .contents import Contents, unpacked
from .dictionary import words
from .parts import code_parts
from .range_decoder import RangeDecoder
from .skeleton import Skeleton
from .whole_numbers import Numbers

if TYPE_CHECKING:
    from .parts import Part
    from .range_decoder import Coder

MAGIC = b"BPk"
VERSION = 1
HEAD_BYTES = 36
LIMIT_BYTES = 256 << 20
MOST_SKELETON = 1 << 16  # bytes of it in the arithmetic code
AGAIN = "build or copy it again"


def is_packed(data: bytes) -> bool:
    """Whether these bytes begin like a packed model."""
    return data[:3] == MAGIC


def unpack(data: bytes, limit: int = LIMIT_BYTES) -> bytes:
    """The .tflite that a packed model stands for, whose sha256 was compared.

    Raises BundleDamaged for one that was cut short or altered, that stands for more than ``limit`` bytes or would take
    too long, BundleTooNew for another version.
    """
    if not is_packed(data) or len(data) < HEAD_BYTES:
        raise BundleDamaged("it is no packed model, or cut short", AGAIN)
    if data[3] != VERSION:
        raise BundleTooNew(
            f"packed model of version {data[3]}, this Bramble reads {VERSION}",
            "build it again with this Bramble, or use the Bramble that built it",
        )
    try:
        model = _Reader(data, limit).model()
    except (ValueError, IndexError, OverflowError) as error:  # what damage makes of numbers
        raise BundleDamaged(f"packed model: {error}", AGAIN) from error
    if hashlib.sha256(model).digest() != data[4:HEAD_BYTES]:
        raise BundleDamaged("packed model: it was altered (what it unpacks to has another sha256)", AGAIN)
    return model


def costs(data: bytes) -> List[Tuple[Part, int]]:
    """The parts of a packed model, and of how many bytes each comes. Raises as ``unpack`` does."""
    unpack(data)
    reader = _Reader(data, LIMIT_BYTES)
    reader.model()
    return [(part, reader.bits[i] + 7 >> 3) for i, part in enumerate(reader.known)]


class _Reader:
    """One pass over a packed model. Raises ValueError for what makes no sense."""

    def __init__(self, data: bytes, limit: int) -> None:
        self.size, at = varint(data, HEAD_BYTES)
        length, at = varint(data, at)
        if self.size > limit:
            raise ValueError(f"it stands for {self.size:,} bytes, more than the {limit:,} allowed")
        if at + length > len(data):
            raise ValueError("it is cut short")
        self.code, self.tail = data[at : at + length], data[at + length :]
        self._at = 0
        self._coder = RangeDecoder(self.code)
        self._numbers = Numbers(self._coder)
        self.known: Tuple[Part, ...] = ()
        self.bits: Dict[int, int] = {}  # what each of the parts took

    def model(self) -> bytes:
        """The whole file."""
        self.known = parts = code_parts(self._numbers, self.size)
        contents, held = Contents(self._coder, parts), {}
        for i in contents.order():
            before = self._read()
            held[i] = contents.code(i, self._take)
            self.bits[i] = self._read() - before
        skeleton = self._skeleton(parts)
        if self._at != len(self.tail):
            raise ValueError("it is longer than it says")
        return join(self.size, parts, held, skeleton)

    def _read(self) -> int:
        """Bits so far, of the code and of the tail."""
        return self._coder.read_bits() + 8 * self._at

    def _skeleton(self, parts: Sequence[Part]) -> bytes:
        size = self.size - sum(part.size for part in parts)
        method = self._numbers.code(255)
        if method:
            return unpacked(self._take(self._numbers.code(254)), method - 1, size)
        return skeleton_coded(self._coder, self.size, parts)

    def _take(self, count: int) -> bytes:
        """The next bytes of the tail."""
        found = self.tail[self._at : self._at + count]
        if len(found) != count:
            raise ValueError("it is cut short")
        self._at += count
        return found


def skeleton_coded(coder: Coder, size: int, parts: Sequence[Part], given: bytes = b"") -> bytes:
    """Code what lies between the parts of a file of ``size`` bytes."""
    spans = gaps(size, parts)
    if sum(end - start for start, end in spans) > MOST_SKELETON:
        raise ValueError("its skeleton is too large for its code")
    model = Skeleton()
    known = words()
    model.read(known)
    return model.code(coder, [place for span in spans for place in range(*span)], given)


def gaps(size: int, parts: Sequence[Part]) -> List[Tuple[int, int]]:
    """From where to where no part lies, in order."""
    starts = [0, *(part.offset + part.size for part in parts)]
    return list(zip(starts, [*(part.offset for part in parts), size]))


def join(size: int, parts: Sequence[Part], held: Dict[int, bytes], skeleton: bytes) -> bytes:
    """The file of its parts' contents and its skeleton."""
    pieces, at = [], 0
    for i, (start, end) in enumerate(gaps(size, parts)):
        pieces.append(skeleton[at : at + end - start])
        pieces.append(held.get(i, b""))
        at += end - start
    return b"".join(pieces)


def varint(data: bytes, at: int) -> Tuple[int, int]:
    """A number of at most 63 bits at this place, and the place behind it. Raises ValueError."""
    number = 0
    for i in range(9):
        if at + i >= len(data):
            raise ValueError("it is cut short")
        number |= (data[at + i] & 127) << 7 * i
        if data[at + i] < 128:
            return number, at + i + 1
    raise ValueError("a size is too large")


def varint_bytes(number: int) -> bytes:
    """The bytes that ``varint`` reads."""
    found: List[int] = []
    rest: Optional[int] = number
    while rest is not None:
        found.append(rest & 127 | (128 if rest > 127 else 0))
        rest = rest >> 7 if rest > 127 else None
    return bytes(found)
