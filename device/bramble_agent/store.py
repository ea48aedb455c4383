"""The board's store of files, named by their sha256; what arrives is kept in parts, so that an upload can go on.

    <root>/blobs/<sha256>             whole files, checked when they came
    <root>/incoming/<sha256>.part     the beginning of a stream (named by the stream's sha256, which may be coded)

A file gets its name in ``blobs`` only after its sha256 was compared and it is on the disk.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path
from typing import IO

from .bundle import sha256_file
from .decoding import decode_stream
from .errors import BadRequest, CutShort, StorageFailed
from .files import sync
from .wire_release import Piece, TakeAnswer, TakeAsk

BLOCK = 1 << 18
GIVEN_UP_S = 86_400  # an upload that nobody went on with for a day
SHA256 = re.compile("[0-9a-f]{64}")


def take(ask: TakeAsk, stdin: IO[bytes]) -> TakeAnswer:
    """Read the announced pieces off ``stdin`` into the store; what is still missing then.

    Raises CutShort where the input ends early (what came is kept, the host goes on from there) or a stream is not what
    its sha256 says (it is forgotten), StorageFailed, BadRequest for names that are no sha256.
    """
    root = Path(ask.root).expanduser().absolute()
    for name in (*ask.wanted, *(name for piece in ask.pieces for name in (piece.blob, piece.stream))):
        check_sha256(name)
    try:
        (root / "incoming").mkdir(parents=True, exist_ok=True)
        (root / "blobs").mkdir(exist_ok=True)
        for piece in ask.pieces:
            _take_piece(root, piece, stdin)
    except OSError as error:
        raise StorageFailed(
            f"{root}: {error.strerror or error}", "free some space, or check the permissions"
        ) from error
    return TakeAnswer(tuple(missing(root, ask.wanted)), unfinished(root))


def check_sha256(name: str) -> None:
    """Raise BadRequest for what cannot be a digest: it becomes a file's name."""
    if not SHA256.fullmatch(name):
        raise BadRequest(f"{name!r} is not a digest", "64 hex digits, lower case")


def missing(root: Path, wanted: dict[str, int]) -> list[str]:
    """Which files the store does not hold whole; a damaged one is removed, to be sent again."""
    absent = []
    for name, size in wanted.items():
        path = root / "blobs" / name
        try:
            whole = path.stat().st_size == size and sha256_file(path) == name
        except OSError:
            whole = False
        if not whole:
            path.unlink(missing_ok=True)
            absent.append(name)
    return absent


def unfinished(root: Path) -> dict[str, int]:
    """The streams of which a beginning is here, and that nobody is writing now: sha256 → bytes."""
    found = {}
    for path in sorted((root / "incoming").glob("*.part")):
        if SHA256.fullmatch(path.stem) and _is_free(path):
            found[path.stem] = path.stat().st_size
    return found


def clear(root: Path, needed: set[str]) -> None:
    """Remove files that no release needs and uploads that nobody goes on with, all untouched for a day."""
    before = time.time() - GIVEN_UP_S
    for path in (*(root / "blobs").glob("*"), *(root / "incoming").glob("*")):
        if path.name not in needed and path.lstat().st_mtime < before and not path.is_dir():
            path.unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    with open(path, "rb") as part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def _take_piece(root: Path, piece: Piece, stdin: IO[bytes]) -> None:
    path = root / "incoming" / f"{piece.stream}.part"
    with open(path, "ab") as part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another push brings the same stream: let it, and take ours aside
            if piece.offset:
                raise CutShort("another push brings the same file", "push again") from None
            path = root / "incoming" / f"{piece.stream}-{os.getpid()}.part"
            with open(path, "wb") as own:
                _receive(own, path, piece, stdin)
        else:
            _receive(part, path, piece, stdin)
        if path.stat().st_size >= piece.stream_bytes:
            _finish(root, path, piece)


def _receive(part: IO[bytes], path: Path, piece: Piece, stdin: IO[bytes]) -> None:
    """Append the piece to the beginning that is here; of a piece that is cut short what came stays."""
    if os.fstat(part.fileno()).st_size < piece.offset:
        raise CutShort(f"{piece.blob[:12]}: its first {piece.offset:,} bytes are not here", "push again")
    part.truncate(piece.offset)
    left = piece.length
    try:
        while left:
            block = stdin.read(min(BLOCK, left))
            if not block:
                break
            part.write(block)
            left -= len(block)
        part.flush()
    except OSError:
        path.unlink(missing_ok=True)  # a full disk is not kept full
        raise
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
