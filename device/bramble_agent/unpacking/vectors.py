"""Short vectors of numbers that belong to channels: scales (float32) and biases (int32), by ``mixing``.

Scales are coded byte by byte from the highest on, in the context of the bytes before: scales that repeat (weights that
share few values have few different maxima) cost little after their first time. A bias is coded as its sign, its length
in bits and its bits, the first ones in the context of the length, the others in that of their place: biases that are
rounded to multiples of a power of two cost nothing for their zeros. The scale tells how long a bias will be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Sequence

import numpy as np

from .mixing import COST, Mixer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .range_decoder import Coder


class Vectors:
    """Codes the vectors of one model: what one teaches, the next knows."""

    def __init__(self) -> None:
        self._scales, self._lengths, self._bits = Mixer(4), Mixer(3), Mixer(3)

    def scales(self, coder: Coder, count: int, given: Optional[NDArray[np.uint32]] = None) -> NDArray[np.uint32]:
        """Code ``count`` words of 32 bits."""
        before, found = 0, np.zeros(count, dtype=np.uint32)
        for i in range(count):
            word = 0
            for place in range(4):
                shift = 24 - 8 * place
                prefix = (word | 1 << 32) >> (shift + 8)
                alike = prefix == (before | 1 << 32) >> (shift + 8)
                contexts = (place, place << 8 | min(i, 1), prefix, (before | 1 << 32) >> shift if alike else 0)
                given_byte = int(given[i]) >> shift & 255 if given is not None else 0
                word |= self._scales.number(coder, contexts, 8, given_byte) << shift
            found[i] = before = word
        return found

    def biases(
        self, coder: Coder, count: int, hints: Sequence[int], given: Optional[NDArray[np.int32]] = None
    ) -> NDArray[np.int32]:
        """Code ``count`` signed numbers of 32 bits; ``hints`` say of each what its size goes by."""
        before, found = 0, np.zeros(count, dtype=np.int32)
        for i, hint in enumerate(hints[:count]):
            known = int(given[i]) if given is not None else 0
            length = self._lengths.number(coder, (0, 1 + hint, 1 + before), 6, abs(known).bit_length())
            value = self._size(coder, min(length, 32), hint, abs(known))
            if value:
                negative = self._bits.number(coder, (1 << 20, 1 << 21, 1 << 22), 1, int(known < 0))
                value = -value if negative else value
            found[i] = max(-(1 << 31), min(value, (1 << 31) - 1))
            before = length
        return found

    def _size(self, coder: Coder, length: int, hint: int, given: int) -> int:
        """The bits below the first of a number of that length."""
        coder.spend(COST * length)
        value = min(length, 1)
        for shift in range(length - 2, -1, -1):
            high = min(value, 7)
            contexts = (shift, shift << 8 | high << 5 | length, 1 << 30 | shift << 16 | hint)
            value = value * 2 + self._bits.bit(coder, contexts, given >> shift & 1)
        return value
