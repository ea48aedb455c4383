"""What a camera loop needs to know of a board, by one look: where things are, what may be done there."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from importlib import resources

from bramble.errors import IncompatibleError, UnreachableError, UsageError
from bramble.fleet.probe.records import integer, read_records
from bramble.fleet.types import Board, Connection

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Place:
    """Absolute paths: where commands start, the user's home, the board's folder, its Python.

    ``current`` and ``previous`` are releases' digests, ``model`` is the current one's name; "" where there is none.
    ``can`` holds what is possible:
    "systemd" (it runs there), "linger" (the user's services live without a login), "memory" (its use is counted by
    service), "namespaces" (users may make them), "sudo" (root without a password).
    """

    start: str
    home: str
    root: str
    python: str
    user: str
    uid: int
    current: str = ""
    previous: str = ""
    model: str = ""
    can: frozenset[str] = frozenset()

    def folder(self) -> str:
        """Where loops keep their files."""
        return f"{self.root}/camera"


def look(connection: Connection, board: Board) -> Place:
    """Look at a board. Raises UnreachableError where no shell answers, IncompatibleError without a Python."""
    mark = f"bramble-{secrets.token_hex(8)}"
    script = resources.files("bramble.fleet.camera").joinpath("look.sh").read_bytes()
    done = connection.run(["sh", "-s", mark, connection.root, board.python], script, TIMEOUT_S)
    told = read_records(done.stdout, mark)
    uid = integer(told.first("uid"))
    if not told.has("end") or uid is None:
        raise UnreachableError(f"{board.name}: the look at it stopped in the middle", "try again")
    if not told.first("python"):
        raise IncompatibleError(
            f"{board.name}: there is no Python at {board.python!r} on the board", f"bramble board setup {board.name}"
        )
    keys = ("start", "home", "root", "python", "user", "current", "previous", "model")
    words = {key: told.first(key) for key in keys}
    return Place(uid=uid, can=frozenset(told.all("can")), **words)


def need_release(place: Place, board: Board) -> None:
    """Raise UsageError where a board has no current release."""
    if not place.current:
        raise UsageError(
            f"{board.name}: there is no current release there", f"push one first: bramble push BUNDLE {board.name}"
        )
