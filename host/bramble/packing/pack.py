"""Pack a .tflite (the format: ``bramble_agent.unpacking.unpack``): the cheapest coding for each vector, and a skeleton.

Every coding is tried where it can win, its bytes counted, and the result unpacked and compared before it is given away.
What is decoded step by step in Python on the board is kept to what a slow one does in about two seconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bramble.errors import BrambleError
from bramble.packing.candidate import Candidate, Scales, cheapest
from bramble.packing.cut import Piece, pieces, values
from bramble.packing.hashed import hashed
from bramble.packing.planes import planes
from bramble.packing.products import products
from bramble.packing.range_encoder import RangeEncoder
from bramble.packing.record import recorded
from bramble.packing.sparse import sparse
from bramble.packing.standard import squeezed, standard
from bramble_agent.unpacking.contents import Contents
from bramble_agent.unpacking.parts import DENSE, INTS, PRODUCT, SCALES, ZEROS, Part, code_parts, code_places
from bramble_agent.unpacking.plan import Place, lay, varint_bytes
from bramble_agent.unpacking.range_decoder import BUDGET
from bramble_agent.unpacking.unpack import (
    MAGIC,
    VERSION,
    coded_plan,
    coded_skeleton,
    gaps,
    unpack,
)
from bramble_agent.unpacking.whole_numbers import Numbers

MOST_CELLS = 600_000  # flags or bytes of a buffer that is decoded one by one
MOST_SET = 20_000  # weights that are not zero and decoded bit by bit
FEW = 16  # values that are worth a codebook where no weight is zero
RESERVE = 2_500_000  # of the decoder's budget, for skeleton and scales
MOST_SKELETON = 8_192  # bytes of a skeleton that is decoded bit by bit
LEAST_BYTES = 256  # of a buffer of another type than int8 and int32 that is worth a part
Hints = Sequence[tuple[int, int]]


def pack(model: bytes, hints: Hints = ()) -> bytes:
    """A packed model; ``hints`` are (seed, buckets) of hashed layers, tried on each kernel."""
    candidates = _chosen(model, hints)
    parts = tuple(one.part for one in candidates)
    coder = RangeEncoder()
    numbers = Numbers(coder)
    places, tail = _layout(model, parts, coder, numbers)
    code_parts(numbers, places, parts)
    contents = Contents(coder, parts)
    for i in contents.order():
        contents.code(i, lambda _: b"", candidates[i].given)
        tail += b"".join(candidates[i].tail)
    code = coder.finish()
    head = MAGIC + bytes([VERSION]) + hashlib.sha256(model).digest()
    found = head + varint_bytes(len(model)) + varint_bytes(len(code)) + code + tail
    if unpack(found) != model:
        raise BrambleError("a model does not unpack to itself", "this is a bug of Bramble: please report it")
    return found


def _layout(
    model: bytes, parts: tuple[Part, ...], coder: RangeEncoder, numbers: Numbers
) -> tuple[tuple[Place, ...], bytes]:
    """Code where the parts lie and what lies between them: these places, and bytes for the tail."""
    places = tuple(Place(part.offset, part.size) for part in parts)
    skeleton = b"".join(model[start:end] for start, end in gaps(len(model), places))
    written, offsets = recorded(model), {place.offset for place in places}
    plan = written.plan(offsets) if written and offsets <= written.offsets() else b""
    if 0 < len(plan) <= MOST_SKELETON:
        laid = lay(plan, len(model))
        if laid.between == skeleton and {one.offset for one in laid.places} == offsets:
            numbers.code(255, 0)
            coded_plan(coder, plan)
            return laid.places, b""
    if len(skeleton) <= MOST_SKELETON:
        numbers.code(255, 1)
        code_places(numbers, len(model), places)
        coded_skeleton(coder, len(model), places, skeleton)
        return places, b""
    method, code = squeezed(skeleton)
    numbers.code(255, 2 + method)
    code_places(numbers, len(model), places)
    numbers.code(254, len(code))
    return places, code


def _chosen(model: bytes, hints: Hints) -> list[Candidate]:
    """The cheapest candidates in the order of the file."""
    found = {one.offset: one for one in pieces(model) if one.kind != "buffer" or _worth(one)}
    order = {offset: i for i, offset in enumerate(sorted(found))}
    words = {at: _words(model, one) for at, one in found.items() if one.kind == "scales"}
    refs = {order[at] + 1: held for at, held in words.items()}
    derived = products(words)
    chosen, budget = {}, BUDGET - RESERVE
    for at, one in sorted(found.items(), key=lambda item: item[1].size):  # where it is spent best
        if one.kind == "zeros":
            chosen[at] = Candidate(Part(ZEROS, at, (one.size,)), b"")
        elif at in derived:
            source, factor = derived[at]
            part = Part(PRODUCT, at, (len(words[at]), order[source] + 1, factor))
            chosen[at] = Candidate(part, b"")
        elif one.kind == "scales":
            chosen[at] = Candidate(Part(SCALES, at, (len(words[at]),)), words[at].tobytes())
        else:
            ref = order.get(one.scales_at, -1) + 1
            chosen[at], price = cheapest(_candidates(model, one, ref, refs, hints), refs, budget)
            budget -= price.spent
    return [chosen[at] for at in sorted(chosen)]


def _worth(piece: Piece) -> bool:
    return piece.dtype in ("|i1", "<i4") or piece.size >= LEAST_BYTES


def _words(model: bytes, piece: Piece) -> Scales:
    return np.frombuffer(model, "<u4", piece.size // 4, piece.offset)


def _candidates(model: bytes, one: Piece, ref: int, scales: dict[int, Scales], hints: Hints) -> list[Candidate]:
    """The codings that may win for a buffer."""
    data = model[one.offset : one.offset + one.size]
    item = np.dtype(one.dtype).itemsize
    held = [standard(one.offset, data)]
    if one.dtype == "<i4" and one.size <= 4 * MOST_SET:
        fitting = ref if len(scales.get(ref, ())) == one.size // 4 else 0
        held.append(Candidate(Part(INTS, one.offset, (one.size // 4, fitting)), data))
    if one.dtype != "|i1":
        return held + planes(one.offset, data, item, 1)
    weights, axis = _by_channel(values(model, one), one)
    ref = ref if len(scales.get(ref, ())) == weights.shape[axis] else 0
    for hint in hints if axis == 0 else ():
        held += hashed(one.offset, weights, hint, ref, scales)
    if one.size <= MOST_CELLS:
        held += planes(one.offset, data, 1, weights.shape[0])
        held.append(Candidate(Part(DENSE, one.offset, (weights.shape[0], weights.shape[1])), data))
        count = np.count_nonzero(weights)
        if count <= MOST_SET and (count <= 0.8 * one.size or len(np.unique(weights)) <= FEW):
            held += sparse(one.offset, weights, axis, ref, scales)
    else:
        held += planes(one.offset, data, 1, weights.shape[0])
    return held


def _by_channel(weights: NDArray[np.int8], one: Piece) -> tuple[NDArray[np.int8], int]:
    """The weights [rows, columns], and which of the two has the channels; depthwise kernels have them last."""
    if one.axis and one.axis == len(one.shape) - 1:
        return weights.reshape(-1, one.shape[-1]), 1
    return weights, 0
