"""One way to code a vector of a model, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bramble.packing.range_encoder import RangeEncoder
from bramble_agent.packed_content import Contents
from bramble_agent.packed_numbers import Numbers
from bramble_agent.packed_parts import Part, code

Scales = NDArray[np.uint32]


@dataclass(frozen=True)
class Candidate:
    """A part; ``given`` is what ``Contents.code`` asks for to write it, ``tail`` its bytes behind the code."""

    part: Part
    given: bytes
    tail: tuple[bytes, ...] = ()


def cost(candidate: Candidate, scales: Mapping[int, Scales]) -> int:
    """The bytes of a candidate alone; ``scales`` are those of all parts that it may refer to, by ref."""
    coder = RangeEncoder()
    part = candidate.part
    code(Numbers(coder), part.offset + part.size, (part,))
    contents = Contents(coder, (part,))
    for ref, words in scales.items():
        contents.know(ref - 1, words)
    contents.code(0, lambda _: b"", candidate.given)
    return len(coder.finish()) + sum(map(len, candidate.tail))


def cheapest(candidates: list[Candidate], scales: Mapping[int, Scales]) -> Candidate:
    """The candidate that costs least; the first of equal ones."""
    return min(candidates, key=lambda one: cost(one, scales)) if len(candidates) > 1 else candidates[0]
