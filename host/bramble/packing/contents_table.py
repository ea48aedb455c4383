"""What a packed model's parts are and what each takes, for ``bramble inspect``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from bramble.packing.cut import Piece, pieces
from bramble.packing.range_encoder import RangeEncoder
from bramble_agent.unpacking import parts as kinds
from bramble_agent.unpacking import positions
from bramble_agent.unpacking.parts import Part
from bramble_agent.unpacking.positions import Outline
from bramble_agent.unpacking.sparse import Sparse, read
from bramble_agent.unpacking.unpack import Costs, costs, unpack

NAMES = {
    kinds.ZEROS: "zeros",
    kinds.SCALES: "scales",
    kinds.PRODUCT: "scales of a bias, from others",
    kinds.INTS: "integers",
    kinds.SPARSE: "sparse",
    kinds.DENSE: "adaptive histograms",
    kinds.HASHED: "hashed",
    kinds.PLANES: "byte planes, rANS",
    kinds.PACKED: "standard library",
}
WEIGHTS, POSITIONS, VALUES = "weights", "weights: which are not zero", "weights: their values"
BIASES, SCALES, OTHERS = "biases", "scales and zero points", "other constants"
LAYOUT, HEAD = "layout: operators, shapes, names", "head, sha256, how each part is coded"


@dataclass(frozen=True)
class Row:
    """A vector of the model: the tensor's name ("" for none), its coding, its bytes and those that it is packed in."""

    name: str
    coding: str
    size: int
    packed: int


def rows(packed: bytes) -> list[Row]:
    """The vectors of a packed model in the order of the file, at last what lies between them and the head."""
    model, taken = unpack(packed), costs(packed)
    names = {one.offset: one.name or one.kind for one in pieces(model)}
    found = [Row(names.get(part.offset, ""), _coding(part), part.size, _bytes(bits)) for part, bits in taken.parts]
    rest = len(model) - sum(part.size for part, _ in taken.parts), len(packed) - sum(one.packed for one in found)
    return [*found, Row("", "the flatbuffer between them, head and sha256", *rest)]


def shares(packed: bytes) -> dict[str, int]:
    """How many bytes of a packed model each kind of content takes; they sum to all."""
    model, taken = unpack(packed), costs(packed)
    known = {one.offset: one for one in pieces(model)}
    bits: Counter[str] = Counter()
    for part, count in taken.parts:
        if part.kind == kinds.SPARSE:
            where = min(_position_bits(model, part), count)
            bits[POSITIONS] += where
            bits[VALUES] += count - where
        else:
            bits[_content(known.get(part.offset))] += count
    return _summed(bits, taken, len(packed))


def _summed(bits: Counter[str], taken: Costs, size: int) -> dict[str, int]:
    order = (WEIGHTS, POSITIONS, VALUES, BIASES, SCALES, OTHERS)
    found = {name: _bytes(bits[name]) for name in order if bits[name]}
    found[LAYOUT] = _bytes(taken.layout)
    return {**found, HEAD: size - sum(found.values())}


def _position_bits(model: bytes, part: Part) -> int:
    """How many bits of a SPARSE part say where weights are."""
    held: Sparse = read(part.numbers)
    shape = (held.columns, held.rows) if held.transposed else (held.rows, held.columns)
    flags = np.frombuffer(model, np.int8, part.size, part.offset).reshape(held.rows, held.columns) != 0
    coder = RangeEncoder()
    outline = Outline(*shape, held.count, held.near, held.far)
    positions.code(coder, outline, held.weights, flags.T if held.transposed else flags)
    return 8 * len(coder.finish())


def _content(piece: Piece | None) -> str:
    if piece is None:
        return OTHERS
    if piece.kind != "buffer":
        return SCALES
    return {"|i1": WEIGHTS, "<i4": BIASES}.get(piece.dtype, OTHERS)


def _coding(part: Part) -> str:
    if part.kind != kinds.SPARSE:
        return NAMES[part.kind]
    sparse = read(part.numbers)
    return f"sparse, {len(sparse.levels)} shared values" if sparse.levels else "sparse"


def _bytes(bits: int) -> int:
    return bits + 7 >> 3
