"""Matrices of bytes without many zeros: an adaptive histogram for each of a few classes of rows.

The matrix is walked column by column, so that all rows are met at once: how large a row's values were so far says
which of 8 histograms (of symbols, with values near to each other smoothed together at the start) its next value is
coded with. After every few columns the histograms learn. One table look-up a symbol: about 1 µs.

Adaptive arithmetic coding: Witten, Neal and Cleary, "Arithmetic coding for data compression", 1987.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional

import numpy as np

from .logistic import LOG2, ONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .range_decoder import Coder

CLASSES = 8
COST = 2
LINE_COST = 400


def code(coder: Coder, shape: "tuple[int, int]", given: Optional[NDArray[np.uint8]] = None) -> NDArray[np.uint8]:
    """Code a matrix [rows, columns] of bytes that are signed numbers."""
    rows, columns = shape
    coder.spend(rows * columns * COST + columns * LINE_COST)
    found = np.zeros(shape, dtype=np.uint8)
    counts = _start()
    sums = np.full(rows, 32, dtype=np.int64)
    step = max(1, 512 // max(1, rows))
    tables = [cumulated(one) for one in counts]
    for at in range(0, columns, step):
        width = min(step, columns - at)
        classes = _classes(sums, at + 1)
        chosen = [tables[one] for one in classes.tolist() for _ in range(width)]
        block = given[:, at : at + width].reshape(-1).tolist() if given is not None else ()
        symbols = np.array(coder.symbols(chosen, block), dtype=np.uint8).reshape(rows, width)
        found[:, at : at + width] = symbols
        sums += np.abs(symbols.view(np.int8).astype(np.int64)).sum(1)
        np.add.at(counts, (np.repeat(classes, width), symbols.reshape(-1)), 24)
        tables = [cumulated(one) for one in counts]
    return found


def cumulated(counts: NDArray[np.int64]) -> List[int]:
    """Frequencies of 256 symbols, in proportion to their counts and none 0, cumulated from 0 to 65536."""
    sums = np.concatenate([[0], np.cumsum(counts)])
    return np.asarray(sums * (ONE - 256) // sums[-1] + np.arange(257)).tolist()


def _start() -> NDArray[np.int64]:
    """A broad bell for each class: a triangle of logarithms, wide where the values are large."""
    size = np.abs(np.arange(256, dtype=np.uint8).view(np.int8).astype(np.int64))
    wide = 3 << np.arange(CLASSES, dtype=np.int64)[:, None] // 2
    return np.asarray(1 + 4096 * wide // (wide + size * size // wide), dtype=np.int64) // 64 + 1


def _classes(sums: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The class of each row by the mean size of its values so far."""
    mean = np.minimum(sums * 16 // count, ONE)
    return np.clip((LOG2[mean] - 6 * 256) // 128, 0, CLASSES - 1)
