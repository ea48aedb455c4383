"""One way to code a vector of a model, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bramble.packing.range_encoder import RangeEncoder
from bramble_agent.unpacking.contents import Contents
from bramble_agent.unpacking.parts import Part, code_parts
from bramble_agent.unpacking.plan import Place
from bramble_agent.unpacking.whole_numbers import Numbers

Scales = NDArray[np.uint32]


@dataclass(frozen=True)
class Candidate:
    """A part; ``given`` is what ``Contents.code`` asks for to write it, ``tail`` its bytes behind the code."""

    part: Part
    given: bytes
    tail: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Cost:
    """What a candidate takes: bytes, and units of the decoder's budget."""

    size: int
    spent: int


def cost(candidate: Candidate, scales: Mapping[int, Scales]) -> Cost:
    """The cost of a candidate alone; ``scales`` are those of all parts that it may refer to, by ref."""
    coder = RangeEncoder()
    part = candidate.part
    code_parts(Numbers(coder), (Place(part.offset, part.size),), (part,))
    contents = Contents(coder, (part,))
    for ref, words in scales.items():
        contents.know(ref - 1, words)
    contents.code(0, lambda _: b"", candidate.given)
    return Cost(len(coder.finish()) + sum(map(len, candidate.tail)), coder.spent)


def cheapest(candidates: list[Candidate], scales: Mapping[int, Scales], budget: int) -> tuple[Candidate, Cost]:
    """The candidate of fewest bytes within the decoder's ``budget``, the first of equal ones, with its cost."""
    costs = [(one, cost(one, scales)) for one in candidates]
    return min((one for one in costs if one[1].spent <= budget), key=lambda one: one[1].size, default=costs[0])
