"""A SPARSE part: which weights are not zero, and what those are (see ``parts`` for its numbers)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional, Tuple

import numpy as np

from . import positions, values
from .levels import integers
from .parts import signed
from .positions import FEATURES, Outline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .range_decoder import Coder

PEAK = 127  # the largest weight of every channel: max|w| / 127 is its scale
MOST_NEAR, MOST_LEVELS = 16, 256


@dataclass(frozen=True)
class Sparse:
    """The numbers of a SPARSE part by name."""

    rows: int
    columns: int
    transposed: bool
    channels: int
    count: int
    ref: int
    step: int
    weights: Tuple[int, ...]
    near: Tuple[int, ...]
    far: Tuple[int, ...]
    levels: Tuple[int, ...]


def read(numbers: Tuple[int, ...]) -> Sparse:
    """The numbers by name. Raises ValueError for what no encoder writes."""
    at = 7 + FEATURES
    weights = tuple(signed(n) for n in numbers[7:at])
    lists = []
    for _ in range(2):
        length = numbers[at]
        lists.append(numbers[at + 1 : at + 1 + length])
        at += 1 + length
        if length > MOST_NEAR or at > len(numbers) or min(lists[-1], default=1) < 1:
            raise ValueError("a part has no sense")
    held = tuple(signed(n) for n in numbers[at:])
    rows, columns, transposed, channels, count, ref, step = numbers[:7]
    sane = len(held) <= MOST_LEVELS and max(transposed, channels) <= 1 and count <= rows * columns
    if not sane or max(map(abs, (*weights, *held)), default=0) >= 1 << 31:
        raise ValueError("a part has no sense")
    return Sparse(rows, columns, bool(transposed), channels, count, ref, step, weights, lists[0], lists[1], held)


def code(
    coder: Coder, part: Sparse, scales: Optional[NDArray[np.uint32]], given: Optional[NDArray[np.int8]] = None
) -> NDArray[np.int8]:
    """Code the int8 matrix [rows, columns]; ``scales`` are those of its channels."""
    turned = given.T if given is not None and part.transposed else given
    shape = (part.columns, part.rows) if part.transposed else (part.rows, part.columns)
    outline = Outline(*shape, part.count, part.near, part.far)
    flags = positions.code(coder, outline, part.weights, turned != 0 if turned is not None else None)
    by_line = part.transposed == bool(part.channels)
    channels = np.nonzero(flags)[0 if by_line else 1]
    table = _table(part, scales, shape[0 if by_line else 1])
    loud = [frozenset(np.flatnonzero(np.abs(row) >= PEAK).tolist()) for row in table]
    finesse = (scales >> np.uint32(21)).tolist() if scales is not None else [0] * len(table)
    setting = values.Setting(_width(table.shape[1]), part.near, channels.tolist(), finesse, loud)
    symbols = _symbols(table, channels, turned[flags]) if turned is not None else None
    found = values.code(coder, flags, setting, symbols)
    if len(found) and int(found.max()) >= table.shape[1]:
        raise ValueError("a weight is of no level")
    result = np.zeros(shape, dtype=np.int8)
    result[flags] = table[channels, found]
    return np.ascontiguousarray(result.T if part.transposed else result)


def _table(part: Sparse, scales: Optional[NDArray[np.uint32]], channels: int) -> NDArray[np.int64]:
    """The weight [channels, symbols] that each symbol is; without levels a symbol is a sign and a size."""
    if scales is not None and len(scales) != channels:
        raise ValueError("a part has other scales than channels")
    if part.levels:
        levels = np.array(part.levels, dtype=np.int64)
        table = integers(levels, part.step, scales)
    else:
        symbols = np.arange(256, dtype=np.int64)
        table = np.where(symbols < 128, np.minimum(symbols + 1, 127), 127 - symbols)[None]
    return np.broadcast_to(table, (channels, table.shape[1]))


def _symbols(table: NDArray[np.int64], channels: NDArray[np.int64], weights: NDArray[np.int8]) -> NDArray[np.int64]:
    """The first symbol that is each weight in its channel; the encoder chose levels so that there is one."""
    return np.asarray(np.argmax(table[channels] == weights[:, None], 1))


def _width(count: int) -> int:
    return max(1, (count - 1).bit_length())
