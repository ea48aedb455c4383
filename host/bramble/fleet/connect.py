"""Open the way to a board that fits it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bramble.fleet.local import LocalConnection
from bramble.fleet.types import Board, Connection


@contextmanager
def connect(board: Board) -> Iterator[Connection]:
    """An open connection to ``board``, closed at the end. Raises UnreachableError or HostKeyError."""
    connection = _open(board)
    try:
        yield connection
    finally:
        connection.close()


def _open(board: Board) -> Connection:
    if not board.host:
        return LocalConnection(board)
    from bramble.fleet.ssh.connection import SshConnection

    return SshConnection(board)
