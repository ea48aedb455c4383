"""The bytes of a flatbuffer without its vectors, predicted byte by byte from what they resemble.

Contexts: the bytes before (one to six of them), the column of words (what stood 4 and 8 bytes before, and where in the
word this byte is), and the byte that followed the longest equal past ("match model", Mahoney's PAQ). Before the first
byte the model reads ``words``: what .tflite files of one converter have in common, so that only differences cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, Sequence

from .mixing import Mixer

if TYPE_CHECKING:
    from .range_decoder import Coder

MATCHED = 4  # equal bytes from which on the past is trusted


class Skeleton:
    """A model of bytes that learns as it goes."""

    def __init__(self) -> None:
        self._mixer = Mixer(8)
        self._past = bytearray(8)
        self._seen: Dict[bytes, int] = {}
        self._at = 0  # what is expected next, and how much before it was equal
        self._equal = 0

    def read(self, text: bytes) -> None:
        """Learn from bytes that both sides know."""
        self.code(_Known(), range(len(text)), text)

    def code(self, coder: Coder, places: Sequence[int], given: bytes = b"") -> bytes:
        """Code one byte for each of ``places``, the offsets that the bytes have in the file."""
        start = len(self._past)
        for i, place in enumerate(places):
            byte = self._mixer.number(coder, self._contexts(place), 8, given[i] if given else 0)
            self._past.append(byte)
            self._follow(byte)
        return bytes(self._past[start:])

    def _contexts(self, place: int) -> Sequence[int]:
        past, column = self._past, place & 3
        one, two, three, four = past[-1], past[-2], past[-3], past[-4]
        expected = past[self._at] if self._equal else 256
        last = one | two << 8
        return (
            column,
            one << 2 | column,
            last,
            last | three << 16,
            last | three << 16 | four << 24,
            last | three << 16 | four << 24 | past[-5] << 32 | past[-6] << 40,
            (four | past[-8] << 8) << 2 | column,
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
