"""The board's store of files, named by their sha256; what arrives is kept in parts, so that an upload can go on.

    <root>/blobs/<sha256>             whole files, checked when they came
    <root>/incoming/<sha256>.part     the beginning of a stream (named by the stream's sha256, which may be coded)

A file gets its name in ``blobs`` only after its sha256 was compared and it is on the disk.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from io import BufferedIOBase
from pathlib import Path
from typing import IO

from .decoding import decode_stream
from .digest import sha256_file
from .errors import BadRequest, CutShort
from .files import SHA256, check_sha256, discard, storing, sync
from .wire_release import Piece, TakeAnswer, TakeAsk

BLOCK = 1 << 18
GIVEN_UP_S = 86_400  # an upload that nobody went on with for a day
UNNEEDED_S = 3_600  # a file that no release needs and no push asked for within the hour
SILENCE_S = 90  # without a byte, longer than a host waits: the link is dead, and the part free for the next upload
TRIES, PAUSE_S = 20, 0.05  # a part that another is looking at is free in a moment


def take(ask: TakeAsk, stdin: BufferedIOBase) -> TakeAnswer:
    """Read the announced pieces off ``stdin`` into the store; what is still missing then.

    Raises CutShort where the input ends early (what came is kept, the host goes on from there) or a stream is not what
    its sha256 says (it is forgotten), StorageFailed, BadRequest for names that are no sha256.
    """
    root = Path(ask.root).expanduser().absolute()
    for name in ask.wanted:
        check_sha256(name)
    for piece in ask.pieces:
        _check(piece)
    with storing(root):
        (root / "incoming").mkdir(parents=True, exist_ok=True)
        (root / "blobs").mkdir(exist_ok=True)
        for piece in ask.pieces:
            _take_piece(root, piece, stdin)
        return TakeAnswer(tuple(missing(root, ask.wanted)), unfinished(root))


def missing(root: Path, wanted: Mapping[str, int]) -> list[str]:
    """Which files the store does not hold whole; a damaged one is removed, to be sent again."""
    absent = []
    for name, size in wanted.items():
        path = root / "blobs" / name
        try:
            whole = path.stat().st_size == size and sha256_file(path) == name
        except OSError:
            whole = False
        if whole:
            with suppress(OSError):
                os.utime(path)  # somebody counts on it now: ``clear`` leaves it alone
        else:
            discard(path)
            absent.append(name)
    return absent


def unfinished(root: Path) -> dict[str, int]:
    """The streams of which a beginning is here, and that nobody is writing now: sha256 → bytes."""
    found = {}
    for path in sorted((root / "incoming").glob("*.part")):
        if SHA256.fullmatch(path.stem):
            size = _free_bytes(path)
            if size:
                found[path.stem] = size
    return found


def clear(root: Path, needed: Set[str]) -> None:
    """Remove files that no release needs and uploads that nobody goes on with, both after a while untouched."""
    for folder, patience_s in (("blobs", UNNEEDED_S), ("incoming", GIVEN_UP_S)):
        for path in (root / folder).glob("*"):
            with suppress(FileNotFoundError):  # an upload that ended in this moment
                idle_s = time.time() - path.lstat().st_mtime
                if path.name not in needed and idle_s > patience_s and not path.is_dir():
                    path.unlink()


def _check(piece: Piece) -> None:
    """Its names become paths, its numbers sizes of files. Raises BadRequest."""
    for name in (piece.blob, piece.stream, *((piece.base,) if piece.base else ())):
        check_sha256(name)
    if min(piece.size_bytes, piece.stream_bytes, piece.offset, piece.length) < 0:
        raise BadRequest(f"{piece.blob[:12]}: a size below 0", "the message is damaged")


def _free_bytes(path: Path) -> int:
    """How much of a stream is here; 0 if somebody is writing it, or it is gone in this moment."""
    try:
        with open(path, "rb") as part:
            fcntl.flock(part, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return os.fstat(part.fileno()).st_size
    except OSError:
        return 0


def _take_piece(root: Path, piece: Piece, stdin: BufferedIOBase) -> None:
    with _opened(root / "incoming" / f"{piece.stream}.part", piece) as (part, path):
        _receive(part, path, piece, stdin)
        if os.fstat(part.fileno()).st_size >= piece.stream_bytes:
            _finish(root, path, piece)


@contextmanager
def _opened(path: Path, piece: Piece) -> Iterator[tuple[IO[bytes], Path]]:
    """The beginning that is here, ours alone; where another push is writing it, a file of our own aside."""
    for _ in range(TRIES):
        with open(path, "ab") as part:
            if _lock(part) and _is(part, path):
                yield part, path
                return
        time.sleep(PAUSE_S)
    if piece.offset:
        raise CutShort("another push brings the same file", "push again")
    path = path.with_name(f"{piece.stream}-{os.getpid()}.part")
    with open(path, "wb") as part:
        yield part, path


def _lock(part: IO[bytes]) -> bool:
    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is(part: IO[bytes], path: Path) -> bool:
    """Whether an open file still has this name: the one we waited for may have become a file of the store."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(part.fileno()), os.stat(path))
    return False


def _receive(part: IO[bytes], path: Path, piece: Piece, stdin: BufferedIOBase) -> None:
    """Append the piece to the beginning that is here; of a piece that is cut short what came stays."""
    if os.fstat(part.fileno()).st_size < piece.offset:
        raise CutShort(f"{piece.blob[:12]}: its first {piece.offset:,} bytes are not here", "push again")
    part.truncate(piece.offset)
    left = piece.length
    try:
        while left:
            signal.alarm(SILENCE_S)  # nobody catches it: it ends this process
            block = stdin.read1(min(BLOCK, left))
            if not block:
                break
            part.write(block)
            part.flush()  # what came is here, even if this process is killed now
            left -= len(block)
    except OSError:
        path.unlink(missing_ok=True)  # a full disk is not kept full
        raise
    finally:
        signal.alarm(0)
    if left:
        raise CutShort(f"{piece.blob[:12]}: {left:,} bytes of {piece.length:,} did not come", "push again: it goes on")


def _finish(root: Path, path: Path, piece: Piece) -> None:
    """Turn a whole stream into a file of the store."""
    if sha256_file(path) != piece.stream:
        path.unlink()
        raise CutShort(f"{piece.blob[:12]} did not arrive as it was sent", "push again; check the board's storage")
    if piece.coding != "raw":
        fresh = path.with_suffix(".fresh")
        try:
            decode_stream(piece, path, root / "blobs" / piece.base, fresh)
        finally:
            path.unlink()
        path = fresh
    if piece.blob != piece.stream and (path.stat().st_size != piece.size_bytes or sha256_file(path) != piece.blob):
        path.unlink()
        raise CutShort(f"{piece.blob[:12]} is not what its stream unpacks to", "push again")
    sync(path)
    os.replace(path, root / "blobs" / piece.blob)
    sync(root / "blobs")
