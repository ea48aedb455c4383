"""Matrices of int8 without many zeros: an adaptive histogram for each of 16 sizes that a row's values may be of.

The matrix is walked column by column, so that all rows are met at once: the mean size of a row's values so far chooses
the histogram of its next one. A histogram begins as the logistic distribution of its size, and each value that is met
counts for itself and, a little, for its neighbours, as what is common is not one value but the shape. Histograms learn
after each block of columns.

Adaptive arithmetic coding: Witten, Neal and Cleary, "Arithmetic coding for data compression", 1987.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional, Tuple

import numpy as np

from .logistic import END, LOG2, ONE, SQUASH_ARRAY, UNIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .range_decoder import Coder

CLASSES = 16  # mean sizes from 4 on, a factor of √2 apart
BLOCK = 512  # values between two lessons
COUNTS = (40, 12, 8, 8)  # for the value met, and those 1, 2 and 3 beside it
START = 1024 * COUNTS[0]  # the weight of the first shape
COST, BLOCK_COST = 2, 800  # of a coder's budget


def code(coder: Coder, shape: Tuple[int, int], given: Optional[NDArray[np.uint8]] = None) -> NDArray[np.uint8]:
    """Code a matrix [rows, columns] of int8, as bytes."""
    rows, columns = shape
    step = max(1, BLOCK // max(1, rows))
    coder.spend(rows * columns * COST + -(-columns // step) * BLOCK_COST)
    found = np.zeros(shape, dtype=np.uint8)
    counts, sums = _start(), np.full(rows, 64, dtype=np.int64)
    for at in range(0, columns, step):
        width = min(step, columns - at)
        classes = np.repeat(_classes(sums, at + 2), width)
        tables = cumulated(counts)
        block = (given[:, at : at + width].reshape(-1) ^ 128).tolist() if given is not None else ()
        symbols = np.array(coder.symbols([tables[one] for one in classes.tolist()], block), dtype=np.int64)
        found[:, at : at + width] = symbols.reshape(rows, width) ^ 128
        sums += np.abs(symbols - 128).reshape(rows, width).sum(1)
        met = np.bincount((classes * 256 + symbols).astype(np.intp), minlength=CLASSES * 256)
        counts += _lesson(met.astype(np.int64).reshape(CLASSES, 256))
    return found


def cumulated(counts: NDArray[np.int64]) -> List[List[int]]:
    """For each row frequencies of 256 symbols in proportion to its counts, none 0, cumulated from 0 to 65536."""
    sums = np.concatenate([np.zeros((len(counts), 1), dtype=np.int64), np.cumsum(counts, 1)], 1)
    tables: List[List[int]] = (sums * (ONE - 256) // sums[:, -1:] + np.arange(257, dtype=np.int64)).tolist()
    return tables


def _start() -> NDArray[np.int64]:
    """Logistic distributions: p (1 - p) at 2 · value / mean size bits of log-odds."""
    sizes = (1024 << np.arange(CLASSES, dtype=np.int64) // 2) * np.where(
        np.arange(CLASSES, dtype=np.int64) % 2, 1448, 1024
    )[:, None].T
    odds = np.minimum(2 * UNIT * (1 << 18) * np.abs(np.arange(-128, 128, dtype=np.int64)) // sizes.reshape(-1, 1), END)
    p = SQUASH_ARRAY[odds + END].astype(np.int64)
    shape = p * (ONE - p) >> 12
    return np.asarray(START * shape // shape.sum(1, keepdims=True) + START // 12800, dtype=np.int64)


def _lesson(met: NDArray[np.int64]) -> NDArray[np.int64]:
    """What the numbers of values that were met add to the counts."""
    lesson = met * COUNTS[0]
    for distance in range(1, len(COUNTS)):
        lesson[:, distance:] += met[:, :-distance] * COUNTS[distance]
        lesson[:, :-distance] += met[:, distance:] * COUNTS[distance]
    return lesson


def _classes(sums: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The class of each row by the mean size of its values so far."""
    mean = np.clip(sums * 16 // count, 1, ONE)
    return np.asarray(np.clip(LOG2[mean] - 6 * UNIT + UNIT // 4 >> 7, 0, CLASSES - 1))
