"""Write decisions as an arithmetic code: the other half of the agent's ``range_decoder``, with the same methods.

What may still change by a carry is kept back: 48 bits of ``low``, and the words written before, to which a carry is
added. The code ends with as few bytes as tell it apart; the decoder takes what is left away for zeros.
"""

from __future__ import annotations

from collections.abc import Sequence


class RangeEncoder:
    """One code in the making; ``finish`` gives its bytes, ``spent`` is what they cost of a decoder's budget."""

    def __init__(self) -> None:
        self._low = 0
        self._range = (1 << 48) - 1
        self._words: list[int] = []
        self.spent = 0

    def spend(self, count: int) -> None:
        """Add up what the decoder will have to pay."""
        self.spent += count

    def bit(self, p: int, bit: int = 0) -> int:
        """Write a decision that is 1 with probability p / 65536."""
        bound = (self._range >> 16) * p
        if bit:
            self._range = bound
        else:
            self._low += bound
            self._range -= bound
        if self._range < 1 << 32:
            self._shift()
        return bit

    def flags(self, ps: Sequence[int], flags: Sequence[int] = ()) -> list[int]:
        """Write several decisions."""
        return [self.bit(p, flag) for p, flag in zip(ps, flags, strict=True)]

    def symbols(self, tables: Sequence[Sequence[int]], symbols: Sequence[int] = ()) -> list[int]:
        """Write several symbols by the cumulated frequencies of each, from 0 to 65536."""
        for table, symbol in zip(tables, symbols, strict=True):
            step = self._range >> 16
            self._low += table[symbol] * step
            self._range = (table[symbol + 1] - table[symbol]) * step
            while self._range < 1 << 32:
                self._shift()
        return list(symbols)

    def finish(self) -> bytes:
        """The code; nothing can be written after it."""
        for keep in range(48, -1, -8):  # as many low bits as possible are zero
            value = (self._low + (1 << keep) - 1) >> keep << keep
            if value < self._low + self._range:
                break
        self._low, self._range = value, 1
        for _ in range(3):
            self._shift()
        code = b"".join(word.to_bytes(2, "big") for word in self._words)
        spare = len(code) - len(code.rstrip(b"\0"))
        return code[: len(code) - min(spare, 6)]

    def _shift(self) -> None:
        """Put the upper 16 of the 48 bits out, a carry into the words before them."""
        if self._low >> 48:
            at = len(self._words) - 1
            while self._words[at] == 0xFFFF:
                self._words[at] = 0
                at -= 1
            self._words[at] += 1
        self._words.append(self._low >> 32 & 0xFFFF)
        self._low = (self._low & 0xFFFFFFFF) << 16
        self._range <<= 16
