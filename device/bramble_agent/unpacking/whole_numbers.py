"""Whole numbers of any size among the decisions of an arithmetic code: what a packed model's parts are and how large.

A number's length in bits is coded in the context of what it means and of the last number that meant the same, the bits
below its first after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict

from .mixing import COST, Mixer

if TYPE_CHECKING:
    from .range_decoder import Coder

WIDEST = 6  # bits of a length: numbers below 2**63


class Numbers:
    """Codes numbers; ``meaning`` is any whole number below 256 that tells one kind from another."""

    def __init__(self, coder: Coder) -> None:
        self._coder = coder
        self._lengths, self._bits = Mixer(2), Mixer(2)
        self._last: Dict[int, int] = {}

    def code(self, meaning: int, value: int = 0) -> int:
        """Code a number from 0 on."""
        last = self._last.get(meaning, 0)
        contexts = (meaning, meaning | last << 8)
        length = self._lengths.number(self._coder, contexts, WIDEST, value.bit_length())
        found = min(length, 1)
        self._coder.spend(COST * length)
        for shift in range(length - 2, -1, -1):
            where = (meaning << 6 | shift) << 6 | length
            found = found * 2 + self._bits.bit(
                self._coder, (where, where << 32 | found & 0xFFFFFFFF), value >> shift & 1
            )
        self._last[meaning] = found
        return found
