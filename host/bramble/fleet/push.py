"""Put a bundle on a board as a release, sending nothing that is there; switch to it as a step of its own."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from posixpath import join

from bramble.bundle import zip_bundle
from bramble.errors import BrambleError
from bramble.fleet.ask import ask, upload
from bramble.fleet.types import Board, Connection
from bramble_agent.bundle import Bundle
from bramble_agent.wire import ReleaseAnswer, ReleaseAsk


@dataclass(frozen=True)
class Pushed:
    """What a push did: the release's folder there, and the bytes sent (0: it was there)."""

    release: str
    sent_bytes: int


def push(connection: Connection, board: Board, bundle: Bundle, path: Path) -> Pushed:
    """Put the checked ``bundle`` that lies at ``path`` (folder or .zip) on a board; what is current stays so.

    Raises as ``ask`` and ``upload`` do.
    """
    there = _release(connection, board, bundle.digest, "")
    if there.present:
        return Pushed(there.path, 0)
    incoming = join(connection.root, "incoming", f"{bundle.digest}.zip")
    with tempfile.TemporaryDirectory() as folder:
        packed = path
        if path.is_dir():
            packed = Path(folder) / "bundle.zip"
            zip_bundle(path, packed)
        upload(connection, board, packed, incoming)
        sent = packed.stat().st_size
    taken = _release(connection, board, bundle.digest, incoming)
    if not taken.present:
        raise BrambleError(f"{board.name}: the release vanished after the push", "push again")
    return Pushed(taken.path, sent)


def switch(connection: Connection, board: Board, digest: str) -> str:
    """Make a release that is on the board the current one; the digest that was current before ("" if none)."""
    return ask(connection, board, ReleaseAsk(connection.root, digest), ReleaseAnswer).previous


def _release(connection: Connection, board: Board, digest: str, incoming: str) -> ReleaseAnswer:
    return ask(connection, board, ReleaseAsk(connection.root, digest, incoming, switch=False), ReleaseAnswer)
