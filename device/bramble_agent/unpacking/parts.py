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
from typing import List, Sequence, Tuple

from .plan import Place
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


def code_places(numbers: Numbers, size: int, given: Sequence[Place] = ()) -> Tuple[Place, ...]:
    """Code where in a file of ``size`` bytes its parts lie, if no plan says so. Raises ValueError beyond its end."""
    count = numbers.code(0, len(given))
    if count > MOST_PARTS:
        raise ValueError("it has too many parts")
    end, found = 0, []
    for i in range(count):
        offset = end + numbers.code(1, given[i].offset - end if given else 0)
        found.append(Place(offset, numbers.code(2, given[i].size if given else 0)))
        end = offset + found[-1].size
        if end > size:
            raise ValueError("a part leaves the file")
    return tuple(found)


def code_parts(numbers: Numbers, places: Sequence[Place], given: Sequence[Part] = ()) -> Tuple[Part, ...]:
    """Code what lies at each of the places. Raises ValueError for a part of no known kind or of another size."""
    if len(places) > MOST_PARTS:
        raise ValueError("it has too many parts")
    found = []
    for i, place in enumerate(places):
        known = given[i] if given else Part(0, 0, ())
        kind = numbers.code(3 + min(place.item, 8), known.kind)
        found.append(Part(kind, place.offset, _numbers(numbers, kind, place.size, known.numbers)))
    return tuple(found)


def _numbers(numbers: Numbers, kind: int, size: int, given: Tuple[int, ...]) -> Tuple[int, ...]:
    """A part's numbers; what the size of its place tells is not coded."""
    meaning = 16 + 16 * kind
    count = numbers.code(meaning, len(given))
    if kind not in FEWEST or not FEWEST[kind] <= count <= MOST_NUMBERS:
        raise ValueError("a part is of no known kind")
    found: List[int] = []
    for i in range(count):
        if i == 0 and kind in ITEM:
            found.append(_share(size, ITEM[kind]))
        elif i == 1 and kind not in ITEM:
            found.append(_share(size, found[0]))
        else:
            found.append(numbers.code(meaning + min(i + 1, 15), given[i] if given else 0))
    return tuple(found)


def _share(size: int, by: int) -> int:
    if not by or size % by:
        raise ValueError("a part does not fill its place")
    return size // by


def signed(number: int) -> int:
    """The number that 2n or -2n - 1 stands for."""
    return -(number + 1 >> 1) if number & 1 else number >> 1


def unsigned(number: int) -> int:
    """2n, or -2n - 1 for a number below 0."""
    return 2 * number if number >= 0 else -2 * number - 1
