"""A flatbuffer from its plan: what its objects are, in the order they were made; where each lies follows from that.

Offsets are most of what a small .tflite is beside its weights, and say nothing that its builder did not compute. So
they are computed again: objects are laid down from the end of the file to its beginning, each as flatbuffers' own
builder for Python does it (aligned, tables of equal shape sharing a vtable). A plan is bytes:

    0  end; the last object is the root
    1  vector: bytes of an item, alignment, count, then its content
    2  the same without content: that is a part of the packed model
    3  string: length, text
    4  vector of references: count, then each, the last item first
    5  table: count of fields, then of each slot, width (0: a reference), value

Counts are varints. A reference is how deep its object lies among those that nothing refers to yet; for one that is
referred to already, the number of the former and how many objects ago it was made. The identifier is TFL3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

END, VECTOR, HELD, STRING, REFERENCES, TABLE = range(6)
ALIGNMENTS = WIDTHS = (1, 2, 4, 8, 16)
IDENTIFIER = b"TFL3"
MOST_SLOTS, MOST_BYTES = 256, 1 << 12  # of a table


@dataclass(frozen=True)
class Place:
    """A vector of ``size`` bytes in a file; 0 for ``item`` where it is not known."""

    offset: int
    size: int
    item: int = 0


@dataclass(frozen=True)
class Laid:
    """A file without the content of its held vectors: these, and what lies between them."""

    size: int
    places: Tuple[Place, ...]
    between: bytes


def lay(plan: bytes, limit: int) -> Laid:
    """Lay a file of at most ``limit`` bytes down. Raises ValueError or IndexError for what is no plan."""
    builder, reader = Builder(limit), _Reader(plan)
    while True:
        kind = reader.number()
        if kind == END:
            if reader.at != len(plan):
                raise ValueError("its plan goes on behind its end")
            return builder.finish()
        if kind in (VECTOR, HELD):
            item, alignment, count = reader.number(), reader.number(), reader.number()
            content = reader.take(item * count) if kind == VECTOR else None
            builder.vector(item, alignment, count, content)
        elif kind == STRING:
            builder.string(reader.take(reader.number()))
        elif kind == REFERENCES:
            builder.references(reader.numbers())
        elif kind == TABLE:
            builder.table([_field(reader) for _ in range(reader.number())])
        else:
            raise ValueError("its plan has an unknown object")


Field = Tuple[int, int, bytes, int]  # slot, width, value, reference


def _field(reader: _Reader) -> Field:
    slot, width = reader.number(), reader.number()
    if slot >= MOST_SLOTS:
        raise ValueError("its plan has a field of no known kind")
    return (slot, width, reader.take(width), 0) if width else (slot, 0, b"", reader.number())


class Builder:
    """Lays objects down from the end to the beginning. Places are counted from the end."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: List[bytes] = []
        self._size, self._widest = 0, 1
        self._vtables: Dict[Tuple[int, ...], int] = {}
        self._held: List[Place] = []  # offsets from the end
        self._made: List[int] = []
        self._free: List[int] = []

    def vector(self, item: int, alignment: int, count: int, content: Optional[bytes]) -> None:
        """Numbers; without content a held one."""
        if item not in WIDTHS or alignment not in ALIGNMENTS:
            raise ValueError("its plan has a vector of no known kind")
        self._align(alignment, item * count)
        self._align(4, item * count)
        if content is None:
            self._grow(item * count)
            self._held.append(Place(self._size, item * count, item))
        else:
            self._put(content)
        self._put(struct.pack("<I", count))
        self._keep()

    def string(self, text: bytes) -> None:
        """Text, a zero behind it."""
        self._align(4, len(text) + 1)
        self._put(text + b"\0")
        self._put(struct.pack("<I", len(text)))
        self._keep()

    def references(self, given: Sequence[int]) -> None:
        """A vector of them, the last item first."""
        self._align(4, 4 * len(given))
        for one in given:
            self._refer(one)
        self._put(struct.pack("<I", len(given)))
        self._keep()

    def table(self, fields: Sequence[Field]) -> None:
        """A table: its fields from behind, then its vtable, unless one is there that is equal."""
        end, slots = self._size, [0] * (1 + max([slot for slot, _, _, _ in fields], default=-1))
        for slot, width, value, reference in fields:
            if width == 0:
                self._align(4, 0)
                self._refer(reference)
            elif width in WIDTHS:
                self._align(width, 0)
                self._put(value)
            else:
                raise ValueError("its plan has a field of no known width")
            slots[slot] = self._size
        self._align(4, 0)
        self._put(bytes(4))
        start, patched = self._size, len(self._pieces) - 1
        if start - end > MOST_BYTES:
            raise ValueError("its plan has too large a table")
        entries = tuple(start - place if place else 0 for place in slots)
        key = (start - end, *entries)
        if key not in self._vtables:
            self._put(struct.pack(f"<{2 + len(entries)}H", 4 + 2 * len(entries), start - end, *entries))
            self._vtables[key] = self._size
        self._pieces[patched] = struct.pack("<i", self._vtables[key] - start)
        self._keep(start)

    def finish(self) -> Laid:
        """The file; its root is the last object."""
        self._align(self._widest, 8)
        self._put(IDENTIFIER)
        self._refer(0)
        held = [Place(self._size - one.offset, one.size, one.item) for one in reversed(self._held)]
        return Laid(self._size, tuple(held), b"".join(reversed(self._pieces)))

    def _refer(self, reference: int) -> None:
        before = reference - len(self._free)
        if before < 0:
            place = self._free.pop(-1 - reference)
        elif before < len(self._made):
            place = self._made[-1 - before]
        else:
            raise ValueError("its plan refers to no object")
        self._put(struct.pack("<I", self._size - place + 4))

    def _keep(self, place: int = 0) -> None:
        self._made.append(place or self._size)
        self._free.append(place or self._size)

    def _align(self, alignment: int, behind: int) -> None:
        self._widest = max(self._widest, alignment)
        self._put(bytes(-(self._size + behind) % alignment))

    def _put(self, data: bytes) -> None:
        self._grow(len(data))
        self._pieces.append(data)

    def _grow(self, count: int) -> None:
        self._size += count
        if self._size > self._limit:
            raise ValueError("its plan makes more than it says")


class _Reader:
    """Bytes and varints one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def number(self) -> int:
        """A varint."""
        number, self.at = varint(self._data, self.at)
        return number

    def numbers(self) -> List[int]:
        """As many as the first says."""
        return [self.number() for _ in range(self.number())]

    def take(self, count: int) -> bytes:
        """So many bytes."""
        if self.at + count > len(self._data):
            raise ValueError("its plan is cut short")
        self.at += count
        return self._data[self.at - count : self.at]


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
