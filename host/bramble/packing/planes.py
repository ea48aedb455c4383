"""The PLANES coding of large buffers: each byte of an item by itself, each row by the table of its class, rANS.

Rows (output channels) whose values are of one size share a table of frequencies: they are sorted by their mean size and
cut into as many classes as pay for their tables. Encoding runs backwards through what the agent's ``rans``
decodes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bramble.packing.candidate import Candidate
from bramble_agent.unpacking.contents import MOST_ROWS
from bramble_agent.unpacking.parts import PLANES, Part
from bramble_agent.unpacking.rans import BITS, LEAST, TOTAL, Tables, lanes_for

LEAST_BYTES = 4096
CLASSES = (1, 2, 4, 8)


def planes(offset: int, data: bytes, item: int, rows: int) -> list[Candidate]:
    """PLANES parts worth trying for items of so many bytes in so many rows."""
    count = len(data) // item
    rows = rows if 1 <= rows <= MOST_ROWS and count % rows == 0 else 1
    if len(data) < LEAST_BYTES or len(data) % item:
        return []
    whole = np.frombuffer(data, np.uint8).reshape(count, item)
    found = []
    for classes in CLASSES if item == 1 else CLASSES[:1]:
        if classes <= rows:
            made = [_plane(np.ascontiguousarray(whole[:, i]), rows, classes) for i in range(item)]
            numbers = (len(data), item, count // rows, classes, *(len(code) for _, code in made))
            given = np.concatenate([np.concatenate([t.classes, t.frequencies.reshape(-1)]) for t, _ in made])
            part = Part(PLANES, offset, numbers)
            found.append(Candidate(part, given.astype("<i8").tobytes(), tuple(code for _, code in made)))
    return found


def _plane(data: NDArray[np.uint8], rows: int, classes: int) -> tuple[Tables, bytes]:
    by_row = data.reshape(rows, -1)
    size = np.abs(by_row.view(np.int8).astype(np.int16)).mean(1)
    chosen = np.zeros(rows, dtype=np.int64)
    chosen[np.argsort(size, kind="stable")] = np.arange(rows) * classes // rows
    counts = np.stack([np.bincount(by_row[chosen == i].reshape(-1), minlength=256) for i in range(classes)])
    tables = Tables(np.stack([_normalised(row) for row in counts]), chosen, by_row.shape[1])
    return tables, encode(data, tables)


def _normalised(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Frequencies in proportion to counts that sum to 4096, none 0 where a symbol occurs."""
    found = np.where(counts > 0, np.maximum(1, counts * TOTAL // max(1, counts.sum())), 0)
    while found.sum() != TOTAL:
        lacking = TOTAL - int(found.sum())
        if lacking > 0:
            found[np.argmax(counts)] += lacking
        else:
            found[np.argmax(found)] -= min(-lacking, int(found.max()) // 2)
    return found


def encode(data: NDArray[np.uint8], tables: Tables) -> bytes:
    """The bytes that ``rans.decode`` turns into ``data`` again."""
    lanes = lanes_for(len(data))
    states = np.full(lanes, LEAST, dtype=np.uint64)
    starts = np.cumsum(tables.frequencies, 1) - tables.frequencies
    words: list[NDArray[np.uint64]] = []
    for start in range((len(data) - 1) // lanes * lanes, -1, -lanes):
        symbols = data[start : start + lanes]
        rows = tables.classes[np.arange(start, start + len(symbols)) // tables.row_bytes]
        often = tables.frequencies[rows, symbols].astype(np.uint64)
        held = states[: len(symbols)]
        full = held >= often << np.uint64(32 - BITS)
        words.append(held[full] & np.uint64(0xFFFF))
        held = np.where(full, held >> np.uint64(16), held)
        ratio, rest = np.divmod(held, often)
        states[: len(symbols)] = (ratio << np.uint64(BITS)) + rest + starts[rows, symbols].astype(np.uint64)
    return states.astype("<u4").tobytes() + np.concatenate(words[::-1]).astype("<u2").tobytes()
