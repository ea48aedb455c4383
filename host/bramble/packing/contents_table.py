"""What a packed model's parts are and what each takes, for ``bramble inspect``."""

from __future__ import annotations

from dataclasses import dataclass

from bramble.packing.cut import pieces
from bramble_agent.unpacking import parts as kinds
from bramble_agent.unpacking.parts import Part
from bramble_agent.unpacking.sparse import read
from bramble_agent.unpacking.unpack import costs, unpack

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


@dataclass(frozen=True)
class Row:
    """A vector of the model: the tensor's name ("" for none), its coding, its bytes and those that it is packed in."""

    name: str
    coding: str
    size: int
    packed: int


def rows(packed: bytes) -> list[Row]:
    """The vectors of a packed model in the order of the file, at last what lies between them and the head."""
    names = {one.offset: one.name or one.kind for one in pieces(unpack(packed))}
    parts = costs(packed)
    found = [Row(names.get(part.offset, ""), _coding(part), part.size, taken) for part, taken in parts]
    model_bytes = len(unpack(packed))
    rest = model_bytes - sum(part.size for part, _ in parts), len(packed) - sum(taken for _, taken in parts)
    return [*found, Row("", "the flatbuffer between them, head and sha256", *rest)]


def _coding(part: Part) -> str:
    if part.kind != kinds.SPARSE:
        return NAMES[part.kind]
    sparse = read(part.numbers)
    return f"sparse, {len(sparse.levels)} shared values" if sparse.levels else "sparse"
