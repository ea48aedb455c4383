"""Bytes by the coders of the standard library, whichever packs them best: raw, LZMA, bz2 or deflate, without headers.

LZMA's literal coder is told how many high bits of the byte before (lc), and how many low bits of the place (lp, pb) to
take for contexts: vectors of float32 or int32 pack better with lp = pb = 2, int8 weights with none.
"""

from __future__ import annotations

import bz2
import lzma
import zlib

from bramble.packing.candidate import Candidate
from bramble_agent.unpacking.contents import BZ2, LZMA, RAW, ZLIB
from bramble_agent.unpacking.parts import PACKED, Part

PROPERTIES = ((0, 0, 0), (3, 0, 0), (3, 0, 2), (0, 2, 2), (1, 2, 2), (2, 2, 2), (4, 0, 0))


def standard(offset: int, data: bytes) -> Candidate:
    """A PACKED part."""
    method, code = squeezed(data)
    return Candidate(Part(PACKED, offset, (len(data), len(code), method)), b"", (code,))


def squeezed(data: bytes) -> tuple[int, bytes]:
    """The method of ``contents.unpacked`` that needs fewest bytes, and those."""
    found = [(RAW, data), (BZ2, bz2.compress(data)), (ZLIB, zlib.compress(data, 9, -15))]
    for lc, lp, pb in PROPERTIES if len(data) < 1 << 20 else PROPERTIES[:1]:
        filters = [
            {"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 23}
            | {"lc": lc, "lp": lp, "pb": pb}
        ]
        code = lzma.compress(data, lzma.FORMAT_RAW, filters=filters)
        found.append((LZMA + 4 * (lc + 9 * (lp + 5 * pb)), code))
    return min(found, key=lambda one: len(one[1]))
