"""The parts that a packed model names: which vector of the .tflite lies where, and how it is coded.

A part is a kind, a place and a few whole numbers, whose meaning the kind gives (``ref`` is 1 + the number of the SCALES
or PRODUCT part that belongs to it, 0 for none; floats are their 32 bits as a number; ``±`` is 2n or -2n - 1):

    ZEROS    size
    SCALES   count                                      vectors.scales
    PRODUCT  count, ref, factor                         float32(factor · scale) of another part: scales of biases
    INTS     count, ref                                 vectors.biases
    SPARSE   rows, columns, transposed, channels (0: rows, 1: columns), set, ref, step, 5 × ±weight, near, far (each a
             length and its distances), ± levels of the codebook (none: int8 as it is)    positions, then values
    DENSE    rows, columns                              dense
    HASHED   rows, columns, buckets, seed, order, ref, step                               hashed
    PLANES   size, bytes of an item, row, classes, bytes of each plane's code             rans, code in the tail
    PACKED   size, bytes of its code, method            raw, lzma, bz2 or zlib in the tail

A level stands for the weight ``round(level · step / scale)`` of its channel, or for itself where step is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from .whole_numbers import Numbers

ZEROS, SCALES, PRODUCT, INTS, SPARSE, DENSE, HASHED, PLANES, PACKED = range(9)
ITEM = {ZEROS: 1, SCALES: 4, PRODUCT: 4, INTS: 4, PLANES: 1, PACKED: 1}
FEWEST = {ZEROS: 1, SCALES: 1, PRODUCT: 3, INTS: 2, SPARSE: 14, DENSE: 2, HASHED: 7, PLANES: 5, PACKED: 3}
MOST_PARTS, MOST_NUMBERS = 4096, 2048


@dataclass(frozen=True)
class Part:
    """A vector of the file from ``offset`` on."""

    kind: int
    offset: int
    numbers: Tuple[int, ...]

    @property
    def size(self) -> int:
        """Its bytes."""
        if self.kind in (SPARSE, DENSE, HASHED):
            return self.numbers[0] * self.numbers[1]
        return self.numbers[0] * ITEM[self.kind]


def code_parts(numbers: Numbers, size: int, given: Tuple[Part, ...] = ()) -> Tuple[Part, ...]:
    """Code the parts of a file of ``size`` bytes, in the order of their places.

    Raises ValueError for parts that leave the file, or that are of no known kind.
    """
    count = numbers.code(0, len(given))
    if count > MOST_PARTS:
        raise ValueError("it has too many parts")
    end, found = 0, []
    for i in range(count):
        known = given[i] if given else Part(0, end, ())
        kind = numbers.code(1, known.kind)
        offset = end + numbers.code(2, known.offset - end)
        part = Part(kind, offset, _numbers(numbers, kind, known.numbers))
        end = offset + part.size
        if end > size:
            raise ValueError("a part leaves the file")
        found.append(part)
    return tuple(found)


def _numbers(numbers: Numbers, kind: int, given: Tuple[int, ...]) -> Tuple[int, ...]:
    count = numbers.code(3 + min(kind, PACKED), len(given))
    if kind not in FEWEST or not FEWEST[kind] <= count <= MOST_NUMBERS:
        raise ValueError("a part is of no known kind")
    meaning = 16 + 16 * kind
    return tuple(numbers.code(meaning + min(i, 15), given[i] if given else 0) for i in range(count))


def signed(number: int) -> int:
    """The number that 2n or -2n - 1 stands for."""
    return -(number + 1 >> 1) if number & 1 else number >> 1


def unsigned(number: int) -> int:
    """2n, or -2n - 1 for a number below 0."""
    return 2 * number if number >= 0 else -2 * number - 1
