"""The content of a packed model's parts, out of the arithmetic code or out of the tail behind it."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import TYPE_CHECKING, Callable, Dict, List, Optional, Tuple

import numpy as np

from . import dense, hashed, rans, sparse
from .levels import integers, real
from .parts import DENSE, HASHED, INTS, PACKED, PLANES, PRODUCT, SCALES, ZEROS, Part, signed, unsigned
from .vectors import Vectors
from .whole_numbers import Numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .range_decoder import Coder

RAW, LZMA, BZ2, ZLIB = range(4)  # LZMA: plus 4 · (lc + 9 · (lp + 5 · pb)), as in the format's own byte of properties
MOST_BUCKETS, MOST_CLASSES, MOST_ROWS = 1 << 16, 16, 1 << 14


class Contents:
    """Codes parts after each other; remembers scales, as biases and weights depend on them."""

    def __init__(self, coder: Coder, parts: Tuple[Part, ...]) -> None:
        self._coder = coder
        self._parts = parts
        self._numbers = Numbers(coder)
        self._vectors = Vectors()
        self._scales: Dict[int, NDArray[np.uint32]] = {}

    def know(self, number: int, scales: NDArray[np.uint32]) -> None:
        """Take the scales of a part as known, without coding them."""
        self._scales[number] = scales

    def order(self) -> List[int]:
        """The numbers of the parts in the order they are coded: scales first, then what depends on them."""
        first = [[i for i, part in enumerate(self._parts) if part.kind == kind] for kind in (SCALES, PRODUCT)]
        return first[0] + first[1] + [i for i, part in enumerate(self._parts) if part.kind not in (SCALES, PRODUCT)]

    def code(self, number: int, tail: Callable[[int], bytes], given: Optional[bytes] = None) -> bytes:
        """Code a part; ``tail`` takes so many bytes off the tail. Raises ValueError for what makes no sense."""
        part = self._parts[number]
        if part.kind == SCALES:
            known = np.frombuffer(given, "<u4") if given is not None else None
            self._scales[number] = self._vectors.scales(self._coder, part.numbers[0], known)
            return self._scales[number].astype("<u4").tobytes()
        if part.kind == PRODUCT:
            self._scales[number] = product(self._referred(part.numbers[1], part.numbers[0]), part.numbers[2])
            return self._scales[number].astype("<u4").tobytes()
        if part.kind == ZEROS:
            return bytes(part.size)
        if part.kind == PACKED:
            return unpacked(tail(part.numbers[1]), part.numbers[2], part.size) if given is None else b""
        if part.kind == PLANES:
            return self._planes(part, tail, given)
        return self._weights(part, given)

    def _weights(self, part: Part, given: Optional[bytes]) -> bytes:
        numbers = part.numbers
        if part.kind == INTS:
            ints = np.frombuffer(given, "<i4") if given is not None else None
            scales = self._referred(numbers[1], numbers[0])
            hints = (scales >> np.uint32(22)).tolist() if scales is not None else [0] * numbers[0]
            return self._vectors.biases(self._coder, numbers[0], hints, ints).astype("<i4").tobytes()
        shape = numbers[0], numbers[1]
        if part.kind == HASHED:
            return self._hashed(part, given)
        bytes_ = np.frombuffer(given, np.uint8).reshape(shape) if given is not None else None
        if part.kind == DENSE:
            return dense.code(self._coder, shape, bytes_).tobytes()
        outline = sparse.read(numbers)
        scales = self._referred(outline.ref, shape[outline.channels])
        known = bytes_.view(np.int8) if bytes_ is not None else None
        return sparse.code(self._coder, outline, scales, known).tobytes()

    def _hashed(self, part: Part, given: Optional[bytes]) -> bytes:
        """``given`` is not the content but its levels (int64)."""
        rows, columns, count, seed, order, ref, step = part.numbers[:7]
        if not 0 < count <= MOST_BUCKETS or order > hashed.KERAS or rows * columns >= 1 << 32:
            raise ValueError("a part has no sense")
        known = np.frombuffer(given, "<i8").tolist() if given is not None else [0] * count
        held = [signed(self._numbers.code(0, unsigned(one))) for one in known]
        if max(map(abs, held)) >= 1 << 31:
            raise ValueError("a part has no sense")
        return hashed_bytes(
            (rows, columns), (seed, order), np.array(held, dtype=np.int64), (step, self._referred(ref, rows))
        )

    def _planes(self, part: Part, tail: Callable[[int], bytes], given: Optional[bytes]) -> bytes:
        """Planes of an item's bytes; ``given`` is not the content but the tables, as the encoder made them."""
        size, item, row, classes = part.numbers[:4]
        lengths = part.numbers[4:]
        rows = -(-size // item // row) if item and row else 0
        if not 0 < rows <= MOST_ROWS or size % item or len(lengths) != item or not 0 < classes <= MOST_CLASSES:
            raise ValueError("a part has no sense")
        known = np.frombuffer(given, "<i8") if given is not None else None
        whole = np.empty((size // item, item), dtype=np.uint8)
        for plane, length in enumerate(lengths):
            table = self._table(rows, classes, row, known)
            known = known[rows + classes * 256 :] if known is not None else None
            code = tail(length)
            if given is None:
                whole[:, plane] = rans.decode(code, len(whole), rans.checked(table, len(whole)))
        return whole.tobytes()

    def _table(self, rows: int, classes: int, row: int, known: Optional[NDArray[np.int64]]) -> rans.Tables:
        given = known.tolist() if known is not None else [0] * (rows + classes * 256)
        several = range(rows if classes > 1 else 0)
        chosen = [self._numbers.code(1, given[i]) for i in several] or [0] * rows
        found = [self._numbers.code(2, given[rows + i]) for i in range(classes * 256)]
        if max(found) > rans.TOTAL:
            raise ValueError("a part has no sense")
        return rans.Tables(np.array(found, dtype=np.int64).reshape(classes, 256), np.array(chosen, dtype=np.int64), row)

    def _referred(self, ref: int, count: int) -> Optional[NDArray[np.uint32]]:
        """The scales that a part refers to, which must be so many."""
        if not ref:
            return None
        scales = self._scales.get(ref - 1)
        if scales is None or len(scales) != count:
            raise ValueError("a part refers to no scales of its channels")
        return scales


def product(scales: Optional[NDArray[np.uint32]], factor: int) -> NDArray[np.uint32]:
    """The bits of float32(factor · scale): what converters make the scale of a bias from. Raises ValueError."""
    if scales is None:
        raise ValueError("a part refers to no scales")
    with np.errstate(all="ignore"):
        return np.asarray((scales.view(np.float32) * np.float32(real(factor))).astype(np.float32).view(np.uint32))


def hashed_bytes(
    shape: Tuple[int, int],
    seeded: Tuple[int, int],
    levels: NDArray[np.int64],
    scaled: Tuple[int, Optional[NDArray[np.uint32]]],
) -> bytes:
    """The int8 weights of a hashed layer of ``levels``; ``seeded``: seed and order, ``scaled``: step and scales."""
    bucket = hashed.buckets(shape, len(levels), *seeded)
    table = integers(levels, *scaled)
    rows = np.arange(shape[0])[:, None] if len(table) > 1 else 0
    weights = table[rows, bucket] * hashed.signs(shape, *seeded)
    found: bytes = np.clip(weights, -128, 127).astype(np.int8).tobytes()
    return found


def unpacked(data: bytes, method: int, size: int) -> bytes:
    """What one of the standard library's coders packed, which must give ``size`` bytes. Raises ValueError."""
    if method == RAW:
        found = data
    else:
        try:
            found = bytes(_decompressor(method).decompress(data, size + 1))
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise ValueError(f"a part is damaged ({error})") from error
    if len(found) != size:
        raise ValueError("a part is not of its size")
    return found


def _decompressor(method: int) -> lzma.LZMADecompressor | bz2.BZ2Decompressor | zlib._Decompress:
    if method == BZ2:
        return bz2.BZ2Decompressor()
    if method == ZLIB:
        return zlib.decompressobj(-15)
    properties = method // 4
    if method % 4 != LZMA or properties >= 225:
        raise ValueError("a part is packed in an unknown way")
    lc, lp, pb = properties % 9, properties // 9 % 5, properties // 45
    if lc + lp > 4:
        raise ValueError("a part is packed in an unknown way")
    filters = [{"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": 1 << 23}]
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
