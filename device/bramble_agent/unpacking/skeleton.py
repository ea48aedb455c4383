"""Bytes that say how a file is laid out, predicted one by one from what they resemble.

Contexts: what a byte is for (its role) and what came before it (its surroundings), the bytes before, the last byte of
that role, and the byte that followed the longest equal past ("match model", Mahoney's PAQ). A plan's roles follow from
its grammar (``plan``); in a file that no plan gives, a byte's role is its place in its word of 32 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Generator, List, Sequence, Tuple

from .mixing import Mixer
from .plan import END, HELD, REFERENCES, STRING, TABLE, VECTOR

if TYPE_CHECKING:
    from .range_decoder import Coder

    Role = Tuple[int, int]
    Roles = Generator[Role, int, None]
    Number = Generator[Role, int, int]

MATCHED = 4  # equal bytes from which on the past is trusted
LATEST = 0xFFFF  # of surroundings: the last two objects


class Skeleton:
    """A model of bytes that learns as it goes."""

    def __init__(self) -> None:
        self._mixer = Mixer(8)
        self._past = bytearray(8)
        self._seen: Dict[bytes, int] = {}
        self._last: Dict[int, int] = {}
        self._at = 0  # what is expected next, and how much before it was equal
        self._equal = 0

    def read(self, text: bytes, roles: Roles) -> None:
        """Learn from bytes that both sides know."""
        self.code(_Known(), roles, text)

    def code(self, coder: Coder, roles: Roles, given: bytes = b"") -> bytes:
        """Code bytes until there are no more ``roles``; each is sent the byte that it stood for."""
        start = at = len(self._past)
        try:
            role, around = next(roles)
            while True:
                byte = self._mixer.number(coder, self._contexts(role, around), 8, given[at - start] if given else 0)
                self._last[role] = self._last[role << 16 | around & LATEST | 1 << 60] = byte
                self._past.append(byte)
                self._follow(byte)
                at += 1
                role, around = roles.send(byte)
        except StopIteration:
            return bytes(self._past[start:])

    def _contexts(self, role: int, around: int) -> Sequence[int]:
        past = self._past
        one, two, three, four = past[-1], past[-2], past[-3], past[-4]
        expected = past[self._at] if self._equal else 256
        alike = self._last.get(role << 16 | around & LATEST | 1 << 60, 0)
        return (
            role,
            role << 32 | around & LATEST,
            role << 40 | one << 32,
            role << 40 | one << 32 | around,
            role << 40 | alike << 32 | around & LATEST,
            role << 16 | one << 8 | two,
            role << 40 | one | two << 8 | three << 16 | four << 24,
            expected << 5 | min(self._equal, 31),
        )

    def _follow(self, byte: int) -> None:
        past = self._past
        if self._equal and past[self._at] == byte:
            self._equal += 1
            self._at += 1
        else:
            self._equal = 0
        key = bytes(past[-MATCHED:])
        if not self._equal:
            self._at = self._seen.get(key, 0)
            while self._at and self._equal < 31 and past[self._at - 1 - self._equal] == past[-1 - self._equal]:
                self._equal += 1
                if self._at - 1 - self._equal < 0:
                    break
        self._seen[key] = len(past)


def columns(places: Sequence[int]) -> Roles:
    """The roles of bytes at these offsets of a file: their places in their words."""
    for place in places:
        yield place & 3, 0


def planned() -> Roles:
    """The roles of a plan's bytes: which of an object's bytes one is; its surroundings: the last three objects."""
    around = 0
    while True:
        kind = yield 0, around
        sign = kind
        if kind == END:
            return
        if kind in (VECTOR, HELD):
            item = yield 1, around
            yield 2, around
            count = yield from _number(4, around)
            sign |= (item & 31) << 3
            for i in range(count * item if kind == VECTOR else 0):
                yield 1 << 8 | min(i // item, 4) << 4 | i % item & 15, around
        elif kind == STRING:
            count = yield from _number(8, around)
            for _ in range(count):
                yield 12, around
        elif kind == REFERENCES:
            count = yield from _number(16, around)
            for i in range(count):
                yield from _number(20 + 4 * min(i, 3), around)
        elif kind == TABLE:
            count = yield from _number(40, around)
            sign |= count << 3
            yield from _fields(count, around)
        around = (around << 8 | sign & 255) & 0xFFFFFF


def _fields(count: int, around: int) -> Roles:
    slot = 0
    for _ in range(count):
        slot = yield 50, around << 8 | slot
        width = yield 51, around << 8 | slot
        if not width:
            yield from _number(3 << 8 | slot << 12, around << 8 | count)
        for i in range(width):
            yield 2 << 8 | i & 7 | slot << 12, around << 8 | count


def _number(role: int, around: int) -> Number:
    """The roles of a varint's bytes, and what it says."""
    number = 0
    for i in range(5):
        byte = yield role + min(i, 2), around
        number |= (byte & 127) << 7 * i
        if byte < 128:
            break
    return number


class _Known:
    """A coder of what is known: every decision is the one that is given."""

    def spend(self, count: int) -> None:
        """It costs time, but what both sides know is of a fixed length."""

    def bit(self, p: int, bit: int = 0) -> int:
        """The decision, whatever its probability."""
        return bit

    def flags(self, ps: Sequence[int], flags: Sequence[int] = ()) -> List[int]:
        """The decisions."""
        return list(flags)

    def symbols(self, tables: Sequence[Sequence[int]], symbols: Sequence[int] = ()) -> List[int]:
        """The symbols."""
        return list(symbols)
