"""The smaller form of a model: packed where that saves bytes against deflate, which every .zip has anyway."""

from __future__ import annotations

from collections.abc import Sequence

from bramble.packing.pack import pack
from bramble.tflite import deflated_bytes

MOST_BYTES = 64 << 20  # of a model that is worth the time and the memory
Hints = Sequence[tuple[int, int]]


def packed_form(model: bytes, hints: Hints = ()) -> bytes | None:
    """The packed model, or None where deflate is as good. ``hints``: see ``pack``."""
    if len(model) > MOST_BYTES:
        return None
    packed = pack(model, hints)
    return packed if len(packed) < deflated_bytes(model) else None
