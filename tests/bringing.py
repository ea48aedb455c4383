"""Bring bundles to a board's folder in this process, step by step as a host does over a link."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bramble_agent.bundle import MANIFEST
from bramble_agent.release import release
from bramble_agent.store import take
from bramble_agent.wire_release import Piece, ReleaseAnswer, ReleaseAsk, TakeAnswer, TakeAsk
from making import bundle_digest


def sha256(data: bytes) -> str:
    """A digest in hex."""
    return hashlib.sha256(data).hexdigest()


def raw_piece(data: bytes, offset: int = 0, length: int | None = None) -> Piece:
    """A file that travels as it is, from ``offset`` on."""
    size = len(data)
    return Piece(sha256(data), size, sha256(data), size, offset, size - offset if length is None else length)


def held(folder: Path) -> dict[str, bytes]:
    """The files of a bundle but its manifest: sha256 → bytes."""
    return {sha256(path.read_bytes()): path.read_bytes() for path in sorted(folder.iterdir()) if path.name != MANIFEST}


def bring(root: Path, files: Iterable[bytes], stream: bytes | None = None) -> TakeAnswer:
    """Take these files as they are; ``stream`` is what comes instead of all of them."""
    files = tuple(files)
    wanted = {sha256(data): len(data) for data in files}
    coming = b"".join(files) if stream is None else stream
    return take(TakeAsk(str(root), wanted, tuple(raw_piece(data) for data in files)), io.BytesIO(coming))


def request(root: Path, folder: Path, **how: Any) -> ReleaseAsk:
    """The question that makes the bundle in ``folder`` a release of ``root``."""
    return ReleaseAsk(str(root), bundle_digest(folder), (folder / MANIFEST).read_text(), **how)


def push(root: Path, folder: Path, **how: Any) -> ReleaseAnswer:
    """Ask, bring what is missing, ask again."""
    answer = release(request(root, folder, **how))
    if answer.state == "missing":
        files = held(folder)
        bring(root, [files[name] for name in answer.missing])
        answer = release(request(root, folder, **how))
    return answer


def linked(root: Path) -> tuple[str, str]:
    """The releases that ``current`` and ``previous`` lead to; "" for a link that is not there."""
    pair = [root / name for name in ("current", "previous")]
    first, second = (link.resolve(strict=True).name if link.is_symlink() else "" for link in pair)
    return first, second


def names(folder: Path) -> set[str]:
    """What is in a folder."""
    return {path.name for path in folder.iterdir()}
