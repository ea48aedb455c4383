"""Unpack what travelled in a shorter form: bz2, a packed model, or the difference to a file that is here, also by bz2.

Weights that were trained on differ from the old ones by small numbers, which pack well even where every byte changed.
The difference ("delta") is a head of spans, [length, offset in the old file or -1], as one line of JSON, and then the
new bytes minus the old ones of each span modulo 256. Memory: the old file, and the new one twice.
"""

from __future__ import annotations

import bz2
import json
from pathlib import Path

from .errors import BundleDamaged, BundleTooNew, CutShort, RuntimeMissing
from .files import discard
from .wire_release import Piece

LIMIT_BYTES = 256 << 20  # of any file that is read whole: it is unpacked in memory
HEAD_BYTES = 1 << 20


def decode_stream(piece: Piece, stream: Path, base: Path, target: Path) -> None:
    """Write the file that the whole ``stream`` stands for to ``target``.

    Raises CutShort for a stream that cannot be unpacked, or that would grow beyond the size that was announced;
    RuntimeMissing where a difference or a packed model comes and NumPy does not import.
    """
    try:
        if piece.size_bytes > LIMIT_BYTES:
            raise ValueError(f"it would have {piece.size_bytes:,} bytes")
        if piece.coding == "bz2":
            data = memoryview(_unpacked(_read(stream), piece.size_bytes))
        elif piece.coding == "packed":
            data = memoryview(_model(_read(stream), piece.size_bytes))
        elif piece.coding == "delta":
            data = summed(_unpacked(_read(stream), piece.size_bytes + HEAD_BYTES), _read(base))
        else:
            raise ValueError(f"unknown coding {piece.coding!r}")
    except (FileNotFoundError, ValueError) as error:
        raise CutShort(f"{piece.blob[:12]} cannot be unpacked: {error}", "push again") from error
    except ImportError as error:
        told = " ".join(str(error.__cause__ or error).split())
        raise RuntimeMissing(f"NumPy does not import: {told}", "bramble board setup") from error
    try:
        target.write_bytes(data)
    except OSError:
        discard(target)  # a full disk is not kept full
        raise


def summed(delta: bytes, old: bytes) -> memoryview:
    """The file that a delta and the old file make. Raises ValueError for a delta that does not fit."""
    import numpy as np

    end = delta.find(b"\n", 0, HEAD_BYTES)
    if end < 0:
        raise ValueError("it has no head")
    made = np.frombuffer(delta, dtype=np.uint8)[end + 1 :].copy()
    before = np.frombuffer(old, dtype=np.uint8)
    at = 0
    for length, offset in _spans(delta[:end]):
        if at + length > len(made) or (offset >= 0 and offset + length > len(before)):
            raise ValueError("a span leaves the file")
        if offset >= 0:
            made[at : at + length] += before[offset : offset + length]
        at += length
    if at != len(made):
        raise ValueError("the spans do not fill the file")
    return made.data


def _read(path: Path) -> bytes:
    """A file that may be read whole. Raises ValueError."""
    size = path.stat().st_size
    if size > LIMIT_BYTES:
        raise ValueError(f"{size:,} bytes are too many to unpack")
    return path.read_bytes()


def _model(raw: bytes, limit: int) -> bytes:
    """The model that a packed one stands for. Raises ValueError."""
    from .unpacking.unpack import unpack

    try:
        return unpack(raw, limit)
    except (BundleDamaged, BundleTooNew) as error:
        raise ValueError(error.message) from error


def _spans(head: bytes) -> list[tuple[int, int]]:
    try:
        spans = [(length, offset) for length, offset in json.loads(head)]
    except (TypeError, RecursionError) as error:
        raise ValueError("not a list of spans") from error
    if not all(type(a) is int and type(b) is int and a >= 0 and b >= -1 for a, b in spans):
        raise ValueError("not a list of spans")
    return spans


def _unpacked(raw: bytes, limit: int) -> bytes:
    """The one bz2 stream in ``raw``, at most ``limit`` bytes. Raises ValueError."""
    decompressor = bz2.BZ2Decompressor()
    try:
        data = decompressor.decompress(raw, limit + 1)
    except (OSError, EOFError) as error:  # OSError: what bz2 raises for a damaged stream
        raise ValueError(str(error)) from error
    if len(data) > limit or not decompressor.eof:
        raise ValueError("it is cut short, or longer than announced")
    return data
