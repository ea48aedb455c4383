"""Differences and packed files come out as what went in; whatever else comes is refused, in bounded memory."""

from __future__ import annotations

import bz2
import json
import tempfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bramble.fleet.release.coding import difference
from bramble.packing.pack import pack
from bramble_agent import decoding
from bramble_agent.decoding import decode_stream, summed
from bramble_agent.errors import CutShort, RuntimeMissing
from bramble_agent.wire_release import Piece
from making import make_model

A, B = "a" * 64, "b" * 64


def unpack(folder: Path, stream: bytes, size: int, coding: str, old: bytes = b"") -> bytes:
    """What a stream that announces ``size`` bytes becomes."""
    (folder / "stream").write_bytes(stream)
    (folder / "old").write_bytes(old)
    decode_stream(Piece(A, size, B, len(stream), 0, 0, coding, A), folder / "stream", folder / "old", folder / "new")
    return (folder / "new").read_bytes()


def by_hand(spans: Sequence[tuple[int, int]], rest: bytes, old: bytes) -> bytes:
    """The slow reference: byte by byte."""
    made, at = bytearray(rest), 0
    for length, offset in spans:
        for i in range(length):
            if offset >= 0:
                made[at + i] = (made[at + i] + old[offset + i]) % 256
        at += length
    return bytes(made)


files = st.binary(max_size=300)


@given(files.filter(bool), files)
def test_difference_and_sum(new: bytes, old: bytes) -> None:
    """Any two files, of any lengths."""
    assert bytes(summed(difference(new, old), old)) == new


@given(files, st.integers(0, 300), st.binary(max_size=500), st.integers(0, 40), st.data())
def test_difference_of_files_that_resemble(
    old: bytes, at: int, put_in: bytes, taken_out: int, data: st.DataObject
) -> None:
    """An old file with something put in (longer than itself, too), taken out, and bytes changed here and there."""
    new = bytearray(old[:at] + put_in + old[at + taken_out :])
    for where in data.draw(st.lists(st.integers(0, max(0, len(new) - 1)), max_size=5)) if new else []:
        new[where] ^= 1
    if new:
        assert bytes(summed(difference(bytes(new), old), old)) == bytes(new)


def test_sum_by_hand() -> None:
    """Spans of the old file in any order, new bytes between them, as the slow reference has it."""
    old = bytes(range(250, 256)) + bytes(range(20))
    spans = [(3, 2), (5, -1), (4, 0), (0, 0), (100, -1)]
    rest = bytes(i * 37 % 256 for i in range(112))
    delta = json.dumps(spans).encode() + b"\n" + rest
    assert bytes(summed(delta, old)) == by_hand(spans, rest, old)
    assert bytes(summed(b"[]\n", b"")) == b""


@pytest.mark.parametrize(
    "head",
    [
        *("", "7", "null", "{}", "[7]", "[[1]]", "[[1,2,3]]", '[["1",0]]', "[[1.0,0]]", "[[true,0]]", "[[-1,0]]"),
        *("[[4,-2]]", "[[3,0]]", "[[5,-1]]", "[[4,7]]", "[[4,1e9]]", "[[4,99999999999999999999999]]", "[" * 5000),
        *("[[4,0],[1,-1]]", '"ab"', "[[4,0]", '{"4":0}', "\xff"),
    ],
    ids=lambda head: repr(head[:20]),
)
def test_heads_that_do_not_fit(head: str, tmp_path: Path) -> None:
    """A head that is none, or whose spans leave the old file or do not fill the new one, is refused."""
    with pytest.raises(CutShort, match="cannot be unpacked"):
        unpack(tmp_path, bz2.compress(head.encode("latin-1") + b"\n" + bytes(4)), 4, "delta", bytes(8))
    assert not (tmp_path / "new").exists()


def test_head_without_end(tmp_path: Path) -> None:
    """A head that never ends is not read as one: a list of half a gigabyte would not fit into memory."""
    with pytest.raises(CutShort, match="no head"):
        unpack(tmp_path, bz2.compress(b"[" + b"1," * (1 << 20)), 5 << 20, "delta", b"")


@settings(max_examples=40)
@given(files, files)
def test_noise(stream: bytes, old: bytes) -> None:
    """Noise, packed or not, is refused in one way, never a crash."""
    with tempfile.TemporaryDirectory() as folder:
        for coding, sent in (("bz2", stream), ("delta", stream), ("delta", bz2.compress(stream))):
            with pytest.raises(CutShort, match="cannot be unpacked"):
                unpack(Path(folder), sent, len(stream), coding, old)


packed = bz2.compress(difference(bytes(range(256)) * 8, bytes(range(255, -1, -1)) * 8))


@pytest.mark.parametrize("coding", ["bz2", "delta"])
def test_cut_and_flipped_streams(coding: str, tmp_path: Path) -> None:
    """A packed stream that lost its end, or a bit anywhere, is refused or comes out whole, never as something else."""
    old, new = bytes(range(255, -1, -1)) * 8, bytes(range(256)) * 8
    stream = packed if coding == "delta" else bz2.compress(new)
    assert unpack(tmp_path, stream, len(new), coding, old) == new
    (tmp_path / "new").unlink()
    for cut in range(0, len(stream), 5):
        with pytest.raises(CutShort):
            unpack(tmp_path, stream[:cut], len(new), coding, old)
    for bit in range(0, 8 * len(stream), 37):
        flipped = bytearray(stream)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert unpack(tmp_path, bytes(flipped), len(new), coding, old) == new
        except CutShort:
            assert True


@pytest.mark.parametrize("coding", ["bz2", "delta"])
def test_bombs(coding: str, tmp_path: Path) -> None:
    """A few bytes that unpacks to megabytes is given up at the size that was announced, in little memory."""
    squeeze = bz2.BZ2Compressor()
    bomb = b"".join(squeeze.compress(bytes(1 << 24)) for _ in range(2)) + squeeze.flush()
    assert len(bomb) < 1000
    tracemalloc.start()
    with pytest.raises(CutShort, match="longer than announced"):
        unpack(tmp_path, bomb, 1000, coding)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_more_than_fits_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, a stream or an old file beyond the limit is not even read."""
    monkeypatch.setattr(decoding, "LIMIT_BYTES", 1000)
    text = bytes(900)
    delta = bz2.compress(difference(text, bytes(2000)))
    with pytest.raises(CutShort, match="2,000 bytes are too many"):
        unpack(tmp_path, delta, 900, "delta", bytes(2000))
    with pytest.raises(CutShort, match="1,001 bytes are too many"):
        unpack(tmp_path, bytes(1001), 900, "bz2")
    with pytest.raises(CutShort, match="it would have 1,001 bytes"):
        unpack(tmp_path, bz2.compress(bytes(1001)), 1001, "bz2")
    assert unpack(tmp_path, bz2.compress(text), 900, "bz2") == text


def test_without_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A NumPy that does not import is told as such, not as a crash."""
    (tmp_path / "numpy.py").write_text("raise ImportError('libopenblas.so.0: cannot open shared object file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "numpy")
    with pytest.raises(RuntimeMissing, match=r"libopenblas\.so\.0"):
        unpack(tmp_path, packed, 2048, "delta", bytes(2048))


def test_full_disk_is_not_kept_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written of a file that does not fit is removed."""

    def write(path: Path, data: bytes) -> int:
        path.touch()
        raise OSError(28, "No space left on device")

    (tmp_path / "stream").write_bytes(bz2.compress(b"text"))
    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(OSError, match="No space"):
        decode_stream(Piece(A, 4, B, 0, 0, 0, "bz2"), tmp_path / "stream", tmp_path, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_retrained_weights_pack_well() -> None:
    """int8 weights that all moved a little: the difference packs to well under the weights themselves."""
    random = np.random.default_rng(3)
    old = random.normal(0, 30, 40_000).astype(np.int8)
    new = np.clip(old + random.normal(0, 0.7, 40_000).round(), -128, 127).astype(np.int8)
    delta = difference(new.tobytes(), old.tobytes())
    assert len(bz2.compress(delta)) < 0.4 * len(bz2.compress(new.tobytes()))
    assert bytes(summed(delta, old.tobytes())) == new.tobytes()


def test_packed_models(tmp_path: Path) -> None:
    """A packed model becomes the model; one that is longer than announced, damaged or of another version is refused."""
    packed = pack(make_model())
    size = len(make_model())
    assert unpack(tmp_path, packed, size, "packed") == make_model()
    for broken, most in ((packed, size - 1), (packed[:-4], size), (packed[:3] + b"\x07" + packed[4:], size)):
        with pytest.raises(CutShort, match="cannot be unpacked"):
            unpack(tmp_path, broken, most, "packed")
