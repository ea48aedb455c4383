"""Read decisions out of an arithmetic code, given the probability that each was written with.

A range coder of 48 bits, renewed by 16 at a time (Martin, "Range encoding", 1979; the binary case as in LZMA). The
model code is written once for both directions: what only a decoder knows to ignore, the value itself, is handed to
every method, and the host's ``RangeEncoder`` has the same methods. Probabilities are in units of 1/65536.

Bounded: every decision is paid for from ``budget`` before it is read, and no more than a few bytes are made up beyond
the end of the code.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, List, Sequence

if TYPE_CHECKING:
    from typing import Protocol

    class Coder(Protocol):
        """Either direction."""

        def spend(self, count: int) -> None:
            """Pay for so many decisions. Raises ValueError where there are too many."""

        def bit(self, p: int, bit: int = 0) -> int:
            """A decision that is 1 with probability p."""

        def flags(self, ps: Sequence[int], flags: Sequence[int] = ()) -> List[int]:
            """Several decisions."""

        def symbols(self, tables: Sequence[Sequence[int]], symbols: Sequence[int] = ()) -> List[int]:
            """Several symbols; the cumulated frequencies of each run from 0 to 65536, none empty."""


BUDGET = 8_000_000  # units of about 0.2 µs on a desktop
SPARE = 8  # bytes beyond the end: an encoder leaves zeros away there


class RangeDecoder:
    """The decisions of one code."""

    def __init__(self, data: bytes, budget: int = BUDGET) -> None:
        self._data = data + bytes(SPARE)
        self._code = int.from_bytes(self._data[:6], "big")
        self._at = 6
        self._range = (1 << 48) - 1
        self._budget = budget

    def spend(self, count: int) -> None:
        """Pay for so many decisions. Raises ValueError where there are too many."""
        self._budget -= count
        if self._budget < 0:
            raise ValueError("it would take too long to unpack")

    def read_bits(self) -> int:
        """How many bits of the code the decisions so far took."""
        return 8 * self._at - self._range.bit_length()

    def bit(self, p: int, bit: int = 0) -> int:
        """A decision that is 1 with probability p. Raises IndexError beyond the end."""
        bound = (self._range >> 16) * p
        if self._code < bound:
            self._range, found = bound, 1
        else:
            self._code -= bound
            self._range -= bound
            found = 0
        if self._range < 0x100000000:
            self._range <<= 16
            self._code = self._code << 16 | self._data[self._at] << 8 | self._data[self._at + 1]
            self._at += 2
        return found

    def flags(self, ps: Sequence[int], flags: Sequence[int] = ()) -> List[int]:
        """Several decisions. Raises IndexError beyond the end."""
        code, span, at, data = self._code, self._range, self._at, self._data
        found = []
        for p in ps:
            bound = (span >> 16) * p
            if code < bound:
                span = bound
                found.append(1)
            else:
                code -= bound
                span -= bound
                found.append(0)
            if span < 0x100000000:
                span <<= 16
                code = code << 16 | data[at] << 8 | data[at + 1]
                at += 2
        self._code, self._range, self._at = code, span, at
        return found

    def symbols(self, tables: Sequence[Sequence[int]], symbols: Sequence[int] = ()) -> List[int]:
        """Several symbols by their cumulated frequencies. Raises IndexError beyond the end."""
        code, span, at, data = self._code, self._range, self._at, self._data
        found = []
        for table in tables:
            step = span >> 16
            symbol = bisect_right(table, min(code // step, 65535)) - 1
            low = table[symbol]
            code -= low * step
            span = (table[symbol + 1] - low) * step
            while span < 0x100000000:
                span <<= 16
                code = code << 16 | data[at] << 8 | data[at + 1]
                at += 2
            found.append(symbol)
        self._code, self._range, self._at = code, span, at
        return found
