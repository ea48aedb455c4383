"""Which way a file travels, and that it comes out as it went in."""

from __future__ import annotations

import bz2
from pathlib import Path

import numpy as np
import pytest

from bramble.fleet.release.coding import (
    BLOCK,
    LARGE_BYTES,
    SMALL_BYTES,
    Source,
    Stream,
    difference,
    shortest,
    source_of,
)
from bramble.packing.pack import pack
from bramble_agent.decoding import decode_stream
from bramble_agent.wire_release import Piece
from making import make_model

RANDOM = np.random.default_rng(5)
NOISE = RANDOM.bytes(50_000)
TEXT = b"".join(b"class %d\n" % (i % 1000) for i in range(20_000))


def arrived(way: Stream, old: bytes, folder: Path) -> bytes:
    """What a board makes of a stream, by the agent's own code."""
    sent = way.sent.read()
    if way.coding == "raw":
        return sent
    (folder / "stream").write_bytes(sent)
    (folder / "old").write_bytes(old)
    piece = Piece(way.blob.sha256, way.blob.size, way.sent.sha256, len(sent), 0, len(sent), way.coding, way.base)
    decode_stream(piece, folder / "stream", folder / "old", folder / "new")
    return (folder / "new").read_bytes()


def moved(weights: bytes, share: float) -> bytes:
    """int8 weights of which a share moved by one."""
    values = np.frombuffer(weights, np.int8).copy()
    where = RANDOM.random(len(values)) < share
    values[where] += RANDOM.choice(np.array([-1, 1], np.int8), int(where.sum()))
    return values.tobytes()


def test_source(tmp_path: Path) -> None:
    """A file and its bytes are one source: size, sha256, and blocks from anywhere."""
    data = RANDOM.bytes(2 * BLOCK + 7)
    (tmp_path / "f").write_bytes(data)
    for source in (source_of(data), source_of(tmp_path / "f")):
        assert (source.size, source.read()) == (len(data), data)
        assert source.sha256 == source_of(data).sha256
        for offset in (0, 1, BLOCK, 2 * BLOCK + 6, 2 * BLOCK + 7):
            blocks = list(source.blocks(offset))
            assert b"".join(blocks) == data[offset:]
            assert all(0 < len(block) <= BLOCK for block in blocks)


@pytest.mark.parametrize(
    ("new", "old", "coding"),
    [
        (NOISE, None, "raw"),  # nothing to gain
        (TEXT, None, "bz2"),
        (TEXT[:SMALL_BYTES], None, "raw"),  # not worth it
        (b"", None, "raw"),
        (moved(NOISE, 0.05), NOISE, "delta"),
        (NOISE + TEXT, NOISE, "delta"),  # something was added
        (NOISE[:100] + TEXT + NOISE[100:], NOISE, "delta"),  # put in
        (NOISE[:10_000] + NOISE[11_000:], NOISE, "delta"),  # taken out
        (RANDOM.bytes(50_000), NOISE, "raw"),  # has nothing in common
        (TEXT, NOISE, "bz2"),
        (TEXT, b"", "bz2"),
        (TEXT[:60_000] + NOISE, TEXT[:60_000] + NOISE[:40_000], "delta"),
        (NOISE, b"x", "raw"),
    ],
)
def test_shortest(new: bytes, old: bytes | None, coding: str, tmp_path: Path) -> None:
    """Each kind of file goes its way, none longer than it is, and comes out whole."""
    way = shortest(source_of(new), None if old is None else source_of(old))
    assert way.coding == coding
    assert way.base == (source_of(old).sha256 if coding == "delta" and old is not None else "")
    assert way.sent.size <= len(new)
    assert coding == "raw" or way.sent.size < 0.9 * len(new)
    assert arrived(way, old or b"", tmp_path) == new


def test_small_change_of_a_model(tmp_path: Path) -> None:
    """A megabyte of weights, 5 % of which moved by one, is sent in less than a fifth; half of them in under 40 %."""
    old = RANDOM.bytes(1 << 20)
    for share, most in ((0.05, 0.2), (0.5, 0.4)):
        new = moved(old, share)
        way = shortest(source_of(new), source_of(old))
        assert way.sent.size < most * len(new)
        assert arrived(way, old, tmp_path) == new


def test_same_stream_every_time() -> None:
    """Made again, a stream is the same to the byte: only so can a broken upload go on."""
    old, new = source_of(NOISE), source_of(moved(NOISE, 0.1))
    assert shortest(new, old).sent.sha256 == shortest(new, old).sent.sha256


def test_too_large_for_memory(tmp_path: Path) -> None:
    """A file beyond the limit is sent as it is, and neither it nor an old one like that is read for it."""
    large = Source(tmp_path / "not there", "0" * 64, LARGE_BYTES + 1)
    assert shortest(large, None) == Stream(large, large)
    assert shortest(source_of(TEXT), large).coding == "bz2"


def test_difference_of_nothing_in_common() -> None:
    """A part that resembles nothing is carried as it is."""
    head, _, rest = difference(b"abc" + b"NEW" * 5 + b"xyz", b"abcxyz").partition(b"\n")
    assert head == b"[[3,0],[15,-1],[3,3]]"
    assert rest == bytes(3) + b"NEW" * 5 + bytes(3)
    assert bz2.decompress(bz2.compress(rest)) == rest


def test_a_packed_model_travels_so() -> None:
    """The packed form is taken where it is shortest, for a small file too; a difference that is shorter still wins."""
    model = make_model()
    packed = pack(model)
    blob = source_of(model, packed)
    way = shortest(blob, None)
    assert (way.coding, way.sent.read(), way.blob.sha256) == ("packed", packed, source_of(model).sha256)
    large = np.random.default_rng(0).integers(0, 256, 60_000, dtype=np.uint8).tobytes()
    assert shortest(source_of(large, b"p" * 500), source_of(large[:-1] + b"x")).coding == "delta"
