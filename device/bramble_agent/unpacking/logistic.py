"""Logarithms, log-odds and their inverse as tables of whole numbers: equal on every machine, unlike those of libm.

An arithmetic decoder must repeat the encoder's probabilities to the last bit. Logarithms are to the base 2, in units of
1/256; probabilities are in units of 1/65536. ``LOG2[n]`` comes of squaring n repeatedly, one bit of the logarithm at a
time (Knuth, TAOCP 1, 1.2.2, exercise 25); ``STRETCH`` is ln-odds to the base 2, ``SQUASH`` its inverse by search.
"""

from __future__ import annotations

import numpy as np

UNIT = 256  # one bit
ONE = 1 << 16  # probability 1
END = 14 * UNIT  # log-odds beyond are taken for this


def _log2(count: int) -> np.ndarray:
    """⌊256 · log2 n⌋ for n below ``count``; 0 for n = 0."""
    numbers = np.maximum(np.arange(count, dtype=np.int64), 1)
    whole = np.zeros(count, dtype=np.int64)
    for shift in (16, 8, 4, 2, 1):
        high = numbers >> whole >= 1 << shift
        whole += np.where(high, shift, 0)
    held = numbers << (30 - whole)
    found = whole
    for _ in range(8):
        held = held * held >> 30
        over = held >= 1 << 31
        held = np.where(over, held >> 1, held)
        found = found * 2 + over
    return found


LOG2 = _log2(ONE + 1)
_ODDS = LOG2[:ONE] - LOG2[ONE:0:-1]
STRETCH = np.clip(_ODDS[::16], -END, END).tolist()  # by the upper 12 bits of a probability
SQUASH_ARRAY = np.clip(np.searchsorted(_ODDS[1:], np.arange(-END, END + 1)) + 1, 1, ONE - 1).astype(
    np.int64
)  # by log-odds + END
SQUASH = np.clip(SQUASH_ARRAY, 16, ONE - 16).tolist()
