"""Large arrays of bytes by interleaved rANS: many coders side by side, so that NumPy decodes thousands of bytes a step.

Each lane is an asymmetric numeral system (Duda, "Asymmetric numeral systems", 2013) over a table of frequencies that
sum to 4096; a lane's state is at least 2**16 and takes in 16 bits when it falls below. All lanes read from one row of
words, in the order of their numbers (Giesen, "Interleaved entropy coders", 2014):

    slot = x mod 4096;  s = symbol of slot;  x = f(s) · (x div 4096) + slot − c(s);  if x < 2**16: x = x · 2**16 + word

A byte's table is chosen by its row's class. Layout: the lanes' states (uint32), then the words (uint16), little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BITS = 12
TOTAL = 1 << BITS
LEAST = 1 << 16  # of a state, and the one that encoding starts from
LANE_BYTES = 2048  # about so many of a lane
MOST_LANES = 4096


@dataclass(frozen=True)
class Tables:
    """Frequencies [classes, 256], each row summing to 4096, and the class of each row of ``row_bytes`` bytes."""

    frequencies: NDArray[np.int64]
    classes: NDArray[np.int64]
    row_bytes: int


def lanes_for(size: int) -> int:
    """How many lanes code so many bytes."""
    return max(1, min(MOST_LANES, size // LANE_BYTES))


def decode(data: bytes, size: int, tables: Tables) -> NDArray[np.uint8]:
    """The ``size`` bytes that ``data`` stands for. Raises ValueError where it is not what was encoded."""
    lanes = lanes_for(size)
    if len(data) < 4 * lanes or len(data) % 2:
        raise ValueError("a part is cut short")
    states = np.frombuffer(data, "<u4", lanes).astype(np.uint32)
    words = np.frombuffer(data, "<u2", offset=4 * lanes).astype(np.uint32)
    joined, many = _joined(tables.frequencies), len(tables.frequencies) > 1
    found = np.empty(size, dtype=np.uint8)
    at, cells = 0, np.arange(lanes, dtype=np.int64)
    for start in range(0, size, lanes):
        count = min(lanes, size - start)
        held = states[:count]
        slots = (held & np.uint32(TOTAL - 1)).astype(np.int64)
        if many:
            slots += tables.classes[(cells[:count] + start) // tables.row_bytes] << BITS
        entries = joined[slots]
        found[start : start + count] = entries & np.uint32(255)
        held = ((entries >> np.uint32(20)) + np.uint32(1)) * (held >> np.uint32(BITS))
        held += entries >> np.uint32(8) & np.uint32(TOTAL - 1)
        low = np.flatnonzero(held < LEAST)
        if at + len(low) > len(words):
            raise ValueError("a part is cut short")
        held[low] = held[low] << np.uint32(16) | words[at : at + len(low)]
        at += len(low)
        states[:count] = held
    if at != len(words) or np.any(states != LEAST):
        raise ValueError("a part is damaged")
    return found


def checked(tables: Tables, size: int) -> Tables:
    """The tables. Raises ValueError where their rows do not sum to 4096 or do not cover ``size`` bytes."""
    enough = tables.row_bytes > 0 and len(tables.classes) * tables.row_bytes >= size
    fitting = len(tables.classes) == 0 or int(tables.classes.max()) < len(tables.frequencies)
    if not enough or not fitting or np.any(tables.frequencies.sum(1) != TOTAL):
        raise ValueError("a part has no sense")
    return tables


def _joined(frequencies: NDArray[np.int64]) -> NDArray[np.uint32]:
    """For each class and slot in one word: the symbol, the slot's place within it << 8, its frequency - 1 << 20."""
    rows = []
    for row in frequencies:
        often = row.astype(np.intp)  # what a board of 32 bits wants of repeat
        symbols = np.repeat(np.arange(256, dtype=np.int64), often)
        offsets = np.arange(TOTAL, dtype=np.int64) - np.repeat(np.cumsum(row) - row, often)
        rows.append(symbols | offsets << 8 | np.repeat(row - 1, often) << 20)
    return np.concatenate(rows).astype(np.uint32)
