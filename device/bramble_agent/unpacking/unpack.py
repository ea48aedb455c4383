"""A packed model: a .tflite in as few bytes as it can be had again from, bit for bit.

    b"BPk"      3 bytes
    version     1 byte
    sha256      32 bytes, of the .tflite
    size        of the .tflite, as a varint (7 bits a byte, the lowest first)
    length      of the arithmetic code, as a varint
    code        see ``range_decoder``: the layout, the parts (``parts``), the content of each that is coded here (scales
                first, ``contents``)
    tail        the skeleton, if packed; what parts of kind PLANES and PACKED refer to, in the order of the parts

The skeleton is what lies between the parts: the flatbuffer's tables, names and options. The layout is a number and

    0           a plan (``plan``), which gives the skeleton and the places of the parts; its bytes by ``skeleton``
    1           the places of the parts, and the skeleton itself by ``skeleton``: a file that no plan gives
    2 + method  the places, how many bytes of the tail the skeleton is: by a method of ``contents.unpacked``

Only the standard library and NumPy are needed. Bounded: a part's size is compared with the file's before anything is
allocated for it, the file's with a limit, and decisions are counted against the budget of ``range_decoder``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Dict, List, Sequence, Tuple

from ..errors import BundleDamaged, BundleTooNew
from .contents import Contents, unpacked
from .dictionary import words
from .parts import code_parts, code_places
from .plan import lay, varint
from .range_decoder import RangeDecoder
from .skeleton import Skeleton, columns, planned
from .whole_numbers import Numbers

if TYPE_CHECKING:
    from .parts import Part
    from .plan import Place
    from .range_decoder import Coder

MAGIC = b"BPk"
VERSION = 2
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


@dataclass(frozen=True)
class Costs:
    """Of how many bits each part of a packed model comes, and the layout; the rest are head and kinds of coding."""

    parts: Tuple[Tuple[Part, int], ...]
    layout: int


def costs(data: bytes) -> Costs:
    """What takes how much of a packed model. Raises as ``unpack`` does."""
    unpack(data)
    reader = _Reader(data, LIMIT_BYTES)
    reader.model()
    return Costs(tuple((part, reader.bits[i]) for i, part in enumerate(reader.known)), reader.layout_bits)


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
        self.layout_bits = 0

    def model(self) -> bytes:
        """The whole file."""
        places, skeleton = self._layout()
        self.layout_bits = self._read()
        self.known = parts = code_parts(self._numbers, places)
        contents, held = Contents(self._coder, parts), {}
        for i in contents.order():
            before = self._read()
            held[i] = contents.code(i, self._take)
            self.bits[i] = self._read() - before
        if self._at != len(self.tail):
            raise ValueError("it is longer than it says")
        return join(self.size, parts, held, skeleton)

    def _read(self) -> int:
        """Bits so far, of the code and of the tail."""
        return self._coder.read_bits() + 8 * self._at

    def _layout(self) -> Tuple[Tuple[Place, ...], bytes]:
        """Where the parts lie, and what lies between them."""
        method = self._numbers.code(255)
        if method == 0:
            laid = lay(coded_plan(self._coder), self.size)
            if laid.size != self.size:
                raise ValueError("its plan makes less than it says")
            return laid.places, laid.between
        places = code_places(self._numbers, self.size)
        if method == 1:
            return places, coded_skeleton(self._coder, self.size, places)
        size = self.size - sum(place.size for place in places)
        return places, unpacked(self._take(self._numbers.code(254)), method - 2, size)

    def _take(self, count: int) -> bytes:
        """The next bytes of the tail."""
        found = self.tail[self._at : self._at + count]
        if len(found) != count:
            raise ValueError("it is cut short")
        self._at += count
        return found


def coded_plan(coder: Coder, given: bytes = b"") -> bytes:
    """Code a plan."""
    model = Skeleton()
    model.read(words(), planned())
    return model.code(coder, planned(), given)


def coded_skeleton(coder: Coder, size: int, places: Sequence[Place], given: bytes = b"") -> bytes:
    """Code what lies between the parts of a file of ``size`` bytes."""
    spans = gaps(size, places)
    if sum(end - start for start, end in spans) > MOST_SKELETON:
        raise ValueError("its skeleton is too large for its code")
    return Skeleton().code(coder, columns([place for span in spans for place in range(*span)]), given)


def gaps(size: int, parts: Sequence[Part | Place]) -> List[Tuple[int, int]]:
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
