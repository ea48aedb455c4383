"""The shortest way to send a file: as it is, by bz2, as a packed model, or as the difference to one that the board has.

What bz2 packs pays only where it saves a tenth at least, and is tried on a sample first. The board unpacks with the
standard library and numpy (``bramble_agent.decoding``). bz2 packs differences of weights best and at 20 MB/s.
"""

from __future__ import annotations

import bz2
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bramble_agent.digest import sha256_file

SMALL_BYTES, LARGE_BYTES = 4 << 10, 64 << 20  # what is not worth packing, and what is too much for memory
SAMPLE_BYTES = 64 << 10
PAYS = 0.9
BLOCK = 1 << 18


@dataclass(frozen=True)
class Source:
    """A file to send: where its bytes are, their sha256 and number; the packed form of a model (``packed``), if any."""

    held: Path | bytes
    sha256: str
    size: int
    packed: bytes | None = None

    def read(self) -> bytes:
        """All bytes."""
        return self.held if isinstance(self.held, bytes) else self.held.read_bytes()

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        """The bytes from ``offset`` on, in blocks; a file is never in memory as a whole."""
        if isinstance(self.held, bytes):
            for at in range(offset, len(self.held), BLOCK):
                yield self.held[at : at + BLOCK]
            return
        with self.held.open("rb") as file:
            file.seek(offset)
            while block := file.read(BLOCK):
                yield block


@dataclass(frozen=True)
class Stream:
    """How a file travels: the bytes to send, and what they are (``wire.Piece``)."""

    blob: Source
    sent: Source
    coding: str = "raw"
    base: str = ""


def source_of(held: Path | bytes, packed: bytes | None = None) -> Source:
    """A file or bytes as a Source."""
    if isinstance(held, bytes):
        return Source(held, hashlib.sha256(held).hexdigest(), len(held), packed)
    return Source(held, sha256_file(held), held.stat().st_size, packed)


def shortest(blob: Source, old: Source | None) -> Stream:
    """The shortest way to send ``blob`` to a board that has ``old`` (if any)."""
    raw = Stream(blob, blob)
    ways = [Stream(blob, source_of(blob.packed), "packed")] if blob.packed else []
    if not SMALL_BYTES < blob.size <= LARGE_BYTES:
        return min(ways, key=lambda way: way.sent.size, default=raw)
    data = blob.read()
    if old is not None and old.size <= LARGE_BYTES:
        delta = difference(data, old.read())
        if _pays(delta):
            ways.append(Stream(blob, source_of(bz2.compress(delta)), "delta", old.sha256))
    if _pays(data):
        ways.append(Stream(blob, source_of(bz2.compress(data)), "bz2"))
    best = min(ways, key=lambda way: way.sent.size, default=raw)
    return best if best.sent.size < PAYS * blob.size else raw


def difference(new: bytes, old: bytes) -> bytes:
    """What ``bramble_agent.decoding.summed`` makes ``new`` of, given ``old``: spans, and differences modulo 256."""
    spans = _spans(new, old)
    made = np.frombuffer(new, dtype=np.uint8).copy()
    before = np.frombuffer(old, dtype=np.uint8)
    at = 0
    for length, offset in spans:
        if offset >= 0:
            made[at : at + length] -= before[offset : offset + length]
        at += length
    return json.dumps(spans, separators=(",", ":")).encode() + b"\n" + made.tobytes()


def _spans(new: bytes, old: bytes) -> list[tuple[int, int]]:
    """Which part of ``old`` each part of ``new`` resembles: [length, offset or -1], one after the other.

    Files of one length are compared as they lie. Else the beginning is compared with the beginning, and from where the
    two ends match (what was put in or taken out lies before it), the rest with the rest.
    """
    if len(new) == len(old):
        return [(len(new), 0)]
    common = _common(new, old)
    tail = _common(new[::-1], old[::-1])
    tail = min(tail, min(len(new), len(old)) - common)
    middle = min(len(new), len(old)) - common - tail
    spans = [(common + middle, 0), (len(new) - common - middle - tail, -1), (tail, len(old) - tail)]
    return [span for span in spans if span[0]]


def _common(a: bytes, b: bytes) -> int:
    """How many bytes are equal from the start."""
    size = min(len(a), len(b))
    differ = np.flatnonzero(np.frombuffer(a[:size], np.uint8) != np.frombuffer(b[:size], np.uint8))
    return int(differ[0]) if len(differ) else size


def _pays(data: bytes) -> bool:
    """Whether a sample from the middle packs well."""
    at = max(0, len(data) // 2 - SAMPLE_BYTES // 2)
    sample = data[at : at + SAMPLE_BYTES]
    return len(bz2.compress(sample)) < PAYS * len(sample)
