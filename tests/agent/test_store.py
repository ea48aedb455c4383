"""The store of files: taken whole or in parts, never under a wrong name, gone on with where it stopped."""

from __future__ import annotations

import bz2
import fcntl
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bramble_agent import store
from bramble_agent.errors import BadRequest, CutShort
from bramble_agent.store import missing, take, unfinished
from bramble_agent.wire_release import Piece, TakeAnswer, TakeAsk
from bringing import bring, names, raw_piece, sha256

DATA, OTHER = (np.random.default_rng(seed).bytes(1000) for seed in (7, 8))
NONE = "0" * 64
DEVICE = Path(__file__).parents[2] / "device"


def take_one(root: Path, piece: Piece, stream: bytes) -> TakeAnswer:
    """Take one piece."""
    return take(TakeAsk(str(root), {piece.blob: piece.size_bytes}, (piece,)), io.BytesIO(stream))


def there(root: Path) -> dict[str, bytes]:
    """The store's files."""
    return {path.name: path.read_bytes() for path in (root / "blobs").iterdir()}


def test_taken_whole(tmp_path: Path) -> None:
    """Files get the name of their sha256, an empty one too; nothing is left of the upload."""
    assert bring(tmp_path, [DATA, b"", OTHER]) == TakeAnswer((), {})
    assert there(tmp_path) == {sha256(data): data for data in (DATA, b"", OTHER)}
    assert names(tmp_path / "incoming") == set()


def test_question_alone(tmp_path: Path) -> None:
    """Without pieces it says what is missing: what is not there, of another size, or damaged (which is removed)."""
    bring(tmp_path, [DATA, OTHER])
    wanted = {sha256(DATA): 1000, sha256(OTHER): 1000, NONE: 5}
    assert take(TakeAsk(str(tmp_path), wanted), io.BytesIO()).missing == (NONE,)
    (tmp_path / "blobs" / sha256(OTHER)).write_bytes(OTHER[:-1] + b"x")
    assert take(TakeAsk(str(tmp_path), wanted), io.BytesIO()).missing == (sha256(OTHER), NONE)
    assert set(there(tmp_path)) == {sha256(DATA)}
    assert missing(tmp_path, {sha256(DATA): 999}) == [sha256(DATA)]


def test_folder_in_a_files_place(tmp_path: Path) -> None:
    """A folder called like a file is no file, and does not keep it out."""
    (tmp_path / "blobs" / sha256(DATA) / "deep").mkdir(parents=True)
    assert missing(tmp_path, {sha256(DATA): 1000}) == [sha256(DATA)]
    assert bring(tmp_path, [DATA]).missing == ()


@pytest.mark.slow
@pytest.mark.parametrize("cut", [0, 1, 7, 499, 998, 999])
def test_cut_and_gone_on_with(cut: int, tmp_path: Path) -> None:
    """An upload that ends early keeps what came, to the byte; the next sends only the rest."""
    with pytest.raises(CutShort, match=f"{1000 - cut:,} bytes of 1,000 did not come") as caught:
        take_one(tmp_path, raw_piece(DATA), DATA[:cut])
    assert "it goes on" in caught.value.hint
    assert there(tmp_path) == {}
    assert unfinished(tmp_path) == ({sha256(DATA): cut} if cut else {})
    assert take_one(tmp_path, raw_piece(DATA, cut), DATA[cut:]) == TakeAnswer((), {})
    assert there(tmp_path) == {sha256(DATA): DATA}


def test_cut_at_every_byte(tmp_path: Path) -> None:
    """Of three files that break off anywhere, those that came whole are there, and the rest is enough."""
    files = [DATA[:20], b"", OTHER[:30]]
    stream = b"".join(files)
    for cut in range(len(stream)):
        root = tmp_path / str(cut)
        with pytest.raises(CutShort):
            bring(root, files, stream[:cut])
        assert all(sha256(data) == name for name, data in there(root).items())
        told = take(TakeAsk(str(root), {sha256(data): len(data) for data in files}), io.BytesIO())
        offsets = {data: told.parts.get(sha256(data), 0) for data in files if sha256(data) in told.missing}
        pieces = tuple(raw_piece(data, offset) for data, offset in offsets.items())
        rest = b"".join(data[offset:] for data, offset in offsets.items())
        assert len(rest) == len(stream) - cut
        assert take(TakeAsk(str(root), {}, pieces), io.BytesIO(rest)) == TakeAnswer((), {})
        assert set(there(root)) == {sha256(data) for data in files}


def test_piece_by_piece(tmp_path: Path) -> None:
    """A stream may come in several questions; it becomes a file with its last byte."""
    for offset in range(0, 1000, 250):
        answer = take_one(tmp_path, raw_piece(DATA, offset, 250), DATA[offset : offset + 250])
        assert answer.parts == ({sha256(DATA): offset + 250} if offset < 750 else {})
    assert there(tmp_path) == {sha256(DATA): DATA}


def test_whole_part_that_was_never_finished(tmp_path: Path) -> None:
    """A part with all its bytes, left by a kill before the last step, needs no more bytes."""
    (tmp_path / "incoming").mkdir(parents=True)
    (tmp_path / "incoming" / f"{sha256(DATA)}.part").write_bytes(DATA)
    assert take_one(tmp_path, raw_piece(DATA, 1000), b"").missing == ()


def test_sent_again_from_the_start(tmp_path: Path) -> None:
    """A host that knows nothing of the beginning that is here may send all."""
    with pytest.raises(CutShort):
        take_one(tmp_path, raw_piece(DATA), DATA[:600])
    assert take_one(tmp_path, raw_piece(DATA), DATA).missing == ()


def test_beginning_that_is_not_there(tmp_path: Path) -> None:
    """A rest without its beginning is refused, and does not become the beginning."""
    with pytest.raises(CutShort, match="first 500 bytes are not here"):
        take_one(tmp_path, raw_piece(DATA, 500), DATA[500:])
    assert unfinished(tmp_path) == {}
    assert there(tmp_path) == {}


@pytest.mark.parametrize("where", range(0, 1000, 111))
def test_flipped_bit_on_the_way(where: int, tmp_path: Path) -> None:
    """A stream with one bit changed is refused and forgotten; sent again it is taken."""
    bad = DATA[:where] + bytes([DATA[where] ^ 1]) + DATA[where + 1 :]
    with pytest.raises(CutShort, match="did not arrive as it was sent"):
        bring(tmp_path, [DATA], bad)
    assert (there(tmp_path), names(tmp_path / "incoming")) == ({}, set())
    assert bring(tmp_path, [DATA]).missing == ()


def test_more_than_announced(tmp_path: Path) -> None:
    """A piece that would make the stream too long is not what its sha256 says."""
    with pytest.raises(CutShort, match="as it was sent"):
        take_one(tmp_path, replace(raw_piece(DATA), length=1001), DATA + b"x")


def coded(data: bytes, stream: bytes, coding: str, base: str = "") -> Piece:
    """A file that travels in another form."""
    return Piece(sha256(data), len(data), sha256(stream), len(stream), 0, len(stream), coding, base)


def test_coded_streams(tmp_path: Path) -> None:
    """A packed file, and the difference to one that is here, become the files they stand for."""
    text = b"bramble " * 500
    packed = bz2.compress(text)
    assert take_one(tmp_path, coded(text, packed, "bz2"), packed).missing == ()
    new = text[:100] + b"!" + text[101:]
    delta = bz2.compress(b"[[4000,0]]\n" + bytes((a - b) % 256 for a, b in zip(new, text, strict=True)))
    assert take_one(tmp_path, coded(new, delta, "delta", sha256(text)), delta).missing == ()
    assert there(tmp_path) == {sha256(data): data for data in (text, new)}
    assert names(tmp_path / "incoming") == set()


@pytest.mark.parametrize(
    "piece",
    [
        coded(DATA, bz2.compress(OTHER), "bz2"),
        coded(DATA, DATA, "bz2"),
        coded(DATA, b"", "bz2"),
        coded(DATA, DATA, "zip"),
        coded(DATA, DATA, ""),
        coded(DATA, OTHER, "raw"),
        coded(DATA, bz2.compress(DATA), "delta", NONE),
        replace(coded(DATA, bz2.compress(DATA), "bz2"), size_bytes=999),
        replace(coded(DATA, bz2.compress(DATA), "bz2"), size_bytes=1 << 40),
    ],
    ids=["other", "not packed", "empty", "unknown", "none", "raw", "no base", "too short", "too long"],
)
def test_streams_that_are_something_else(piece: Piece, tmp_path: Path) -> None:
    """A whole stream that does not stand for its file is refused and forgotten."""
    stream = {sha256(data): data for data in (DATA, OTHER, b"", bz2.compress(DATA), bz2.compress(OTHER))}[piece.stream]
    with pytest.raises(CutShort, match=r"cannot be unpacked|not what its stream unpacks to"):
        take_one(tmp_path, piece, stream)
    assert (there(tmp_path), names(tmp_path / "incoming")) == ({}, set())


@pytest.mark.parametrize("name", ["../../lock", "/etc/passwd", "", ".", "F" * 64, "0" * 64 + "\n"])
@pytest.mark.parametrize("field", ["blob", "stream", "base", "wanted"])
def test_paths_for_digests(field: str, name: str, tmp_path: Path) -> None:
    """A digest becomes a path: what is none is refused before anything is made. (Only a base may be empty.)"""
    piece = coded(DATA, DATA, "delta", sha256(OTHER))
    wanted = {name: 5} if field == "wanted" else {}
    pieces = () if field == "wanted" else (replace(piece, **{field: name}),)
    if (field, name) == ("base", ""):
        return
    with pytest.raises(BadRequest, match="is not a digest"):
        take(TakeAsk(str(tmp_path / "board"), wanted, pieces), io.BytesIO(DATA))
    assert not (tmp_path / "board").exists()


@pytest.mark.parametrize("field", ["size_bytes", "stream_bytes", "offset", "length"])
def test_numbers_below_zero(field: str, tmp_path: Path) -> None:
    """Nothing is read or cut by a negative number."""
    with pytest.raises(BadRequest, match="below 0"):
        take_one(tmp_path / "board", replace(raw_piece(DATA), **{field: -1}), DATA)
    assert not (tmp_path / "board").exists()


def test_foreign_part(tmp_path: Path) -> None:
    """A part that is called something else is neither told of nor touched."""
    (tmp_path / "incoming").mkdir(parents=True)
    (tmp_path / "incoming" / "mine.part").write_bytes(b"x")
    (tmp_path / "incoming" / f"{NONE}-77.part").write_bytes(b"x")
    assert bring(tmp_path, [DATA]).parts == {}
    assert names(tmp_path / "incoming") == {"mine.part", f"{NONE}-77.part"}


# ---- several at once --------------------------------------------------------------------------------------------


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Somebody else holds a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        yield


def test_part_that_another_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pushes of one file do not mix: the second takes its own aside, or is told to come again for a rest."""
    monkeypatch.setattr(store, "TRIES", 2)
    part = tmp_path / "incoming" / f"{sha256(DATA)}.part"
    with writing(part):
        part.write_bytes(DATA[:600])
        assert unfinished(tmp_path) == {}
        with pytest.raises(CutShort, match="another push brings the same file"):
            take_one(tmp_path, raw_piece(DATA, 600), DATA[600:])
        assert take_one(tmp_path, raw_piece(DATA), DATA).missing == ()
        assert part.read_bytes() == DATA[:600]
    assert there(tmp_path) == {sha256(DATA): DATA}
    assert unfinished(tmp_path) == {sha256(DATA): 600}


def test_looking_is_not_writing(tmp_path: Path) -> None:
    """Somebody who only looks at a part keeps nobody from it for long, and two may look."""
    with pytest.raises(CutShort):
        take_one(tmp_path, raw_piece(DATA), DATA[:600])
    looking = (tmp_path / "incoming" / f"{sha256(DATA)}.part").open("rb")
    fcntl.flock(looking, fcntl.LOCK_SH)
    assert unfinished(tmp_path) == {sha256(DATA): 600}
    soon = threading.Timer(0.2, looking.close)
    soon.start()
    assert take_one(tmp_path, raw_piece(DATA, 600), DATA[600:]).missing == ()
    soon.join()


def test_waiting_for_a_part_that_becomes_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waited for a part does not write into the file of the store that it became meanwhile."""
    bring(tmp_path, [])
    real, finished = fcntl.flock, []

    def flock(handle: object, how: int) -> None:
        if not finished:  # between our opening of the part and our lock, the other one ends its work
            finished.append(True)
            part = tmp_path / "incoming" / f"{sha256(DATA)}.part"
            part.write_bytes(DATA)
            part.rename(tmp_path / "blobs" / sha256(DATA))
            os.link(tmp_path / "blobs" / sha256(DATA), tmp_path / "in a release")
        real(handle, how)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(CutShort):
        take_one(tmp_path, raw_piece(DATA), DATA[:10])
    assert (tmp_path / "in a release").read_bytes() == DATA
    assert there(tmp_path) == {sha256(DATA): DATA}


def test_part_that_is_gone_in_this_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part or file that another process finishes or clears while we look is no failure."""
    with pytest.raises(CutShort):
        take_one(tmp_path, raw_piece(DATA), DATA[:600])
    dangling = tmp_path / "incoming" / f"{NONE}.part"
    dangling.symlink_to("gone")
    assert unfinished(tmp_path) == {sha256(DATA): 600}
    monkeypatch.setattr(Path, "lstat", lambda path: (_ for _ in ()).throw(FileNotFoundError(2, "gone")))
    store.clear(tmp_path, set())
    assert (tmp_path / "incoming" / f"{sha256(DATA)}.part").is_file()


def test_silent_link(tmp_path: Path) -> None:
    """An upload from which nothing comes any more ends by itself, and its part can be gone on with."""
    code = (
        "import sys\nfrom bramble_agent import store\nfrom bramble_agent.wire_release import *\n"
        "store.SILENCE_S = 1\n"
        f"store.take(TakeAsk({str(tmp_path)!r}, {{}}, ({raw_piece(DATA)!r},)), sys.stdin.buffer)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(DEVICE)}
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, env=env) as process:
        assert process.stdin is not None
        process.stdin.write(DATA[:600])
        process.stdin.flush()
        assert process.wait(20) == -14  # SIGALRM
    assert unfinished(tmp_path) == {sha256(DATA): 600}
