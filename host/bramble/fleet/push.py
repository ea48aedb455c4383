"""Put a bundle on a board as a release and make it the current one; send nothing that is there."""

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
    """What a push did: the release's folder there, what was current before, and the bytes sent (0: it was there)."""

    release: str
    previous: str
    sent_bytes: int


def push(connection: Connection, board: Board, bundle: Bundle, path: Path) -> Pushed:
    """Push the checked ``bundle`` that lies at ``path`` (folder or .zip). Raises as ``ask`` and ``upload`` do."""
    there = _release(connection, board, bundle.digest, "")
    if there.present:
        return Pushed(there.path, there.previous, 0)
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
    return Pushed(taken.path, taken.previous, sent)


def _release(connection: Connection, board: Board, digest: str, incoming: str) -> ReleaseAnswer:
    return ask(connection, board, ReleaseAsk(connection.root, digest, incoming), ReleaseAnswer)
