"""The part of the contract that brings releases to a board: files taken, releases made of them, and taken back.

The version is ``wire.WIRE_VERSION``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Optional, Tuple  # evaluated at run time by codec, on Python 3.9 too

from .wire import BoardFacts, VerifyAnswer


@dataclass(frozen=True)
class Piece:
    """Bytes that follow a TakeAsk on stdin, in its order: part of the stream that becomes the file ``blob``.

    A file travels as one stream: ``coding`` "raw" (its bytes), "bz2", "packed" (a model, see ``packed``), or "delta"
    (packed differences to the file ``base``, see ``decoding``). ``stream`` is the stream's sha256, ``stream_bytes`` its
    length; ``length`` bytes of it
    follow, from ``offset`` on, before which the board has them already. ``size_bytes`` is the length of the file.
    """

    blob: str
    size_bytes: int
    stream: str
    stream_bytes: int
    offset: int
    length: int
    coding: str = "raw"
    base: str = ""


@dataclass(frozen=True)
class TakeAsk:
    """Take the files that follow into the board's store, and say which of ``wanted`` (sha256 → bytes) are missing."""

    root: str
    wanted: Dict[str, int]
    pieces: Tuple[Piece, ...] = ()


@dataclass(frozen=True)
class ReleaseAsk:
    """Make the bundle of ``manifest`` (the text of manifest.json, whose sha256 is ``digest``) a release.

    Its files must be in the store, or follow on stdin as ``pieces`` say. It is checked by its golden answers, computed
    with ``threads`` (``again``: also if it gave them before). ``switch`` makes it the current one; then the golden
    answers are asked of ``current``, and for ``health_s`` seconds the command ``health`` (if any) is tried, which must
    not fail in the second half; else the release that was current is current again. ``keep`` releases stay on the
    board. ``signature`` is what ``ssh-keygen -Y sign`` says of manifest.json.
    """

    root: str
    digest: str
    manifest: str
    switch: bool = True
    threads: int = 1
    again: bool = False
    keep: int = 3
    signature: str = ""
    health: Tuple[str, ...] = ()
    health_s: float = 0.0
    pieces: Tuple[Piece, ...] = ()


@dataclass(frozen=True)
class RollbackAsk:
    """Make the release that was current before this one the current one again, if it gives its golden answers."""

    root: str
    threads: int = 1


@dataclass(frozen=True)
class TakeAnswer:
    """What is not in the store yet, and how much of unfinished streams is (sha256 of the stream → bytes)."""

    missing: Tuple[str, ...]
    parts: Dict[str, int]


@dataclass(frozen=True)
class ReleaseAnswer:
    """What became of a release.

    ``state`` is "missing" (files of it are not in the store; nothing was changed), "ready" (whole, gives the golden
    answers), "current" (the same, and switched to), "refused" (its answers differ: not switched to) or "rolled-back"
    (it was switched to, failed there, and the one before is current again; ``detail`` says why). ``path`` is its
    folder, ``current`` and ``previous`` are the digests that the links name now. Where files are missing, ``parts`` are
    the beginnings that are here, and ``files`` those of the current release (name → sha256) that can be patched.
    """

    state: str
    facts: BoardFacts
    path: str = ""
    current: str = ""
    previous: str = ""
    detail: str = ""
    missing: Tuple[str, ...] = ()
    parts: Dict[str, int] = field(default_factory=dict)
    files: Dict[str, str] = field(default_factory=dict)
    verify: Optional[VerifyAnswer] = None


@dataclass(frozen=True)
class RollbackAnswer:
    """The digests that are current and previous now, and the golden answers of the one that is current."""

    current: str
    previous: str
    verify: VerifyAnswer
