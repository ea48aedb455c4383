"""A board's folder that can be had fresh a thousand times, and what must hold of it after anything that goes wrong."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from bramble.bundle import load_bundle  # noqa: E402
from bramble.errors import BrambleError  # noqa: E402
from bramble.fleet.connect import connect  # noqa: E402
from bramble.fleet.inventory import local_board  # noqa: E402
from bramble.fleet.release.push import push, rollback  # noqa: E402
from bramble.fleet.types import Board, Connection  # noqa: E402
from bramble_agent.bundle import Bundle, open_bundle  # noqa: E402
from bramble_agent.errors import AgentError  # noqa: E402
from making import make_bundle, make_model  # noqa: E402


@dataclass(frozen=True)
class Outcome:
    """One injection: what was done wrong in which operation, and what held afterwards."""

    fault: str
    operation: str
    whole: bool
    healed: bool
    leaked: bool = False
    detail: str = ""


class Rig:
    """Bundles a, b and c; a board where b is current after a; secrets that no message may show."""

    def __init__(self, folder: Path) -> None:
        """Build it below ``folder``."""
        os.environ["BRAMBLE_HOME"] = str(folder / "home")
        self.folder = folder
        self.secrets: list[str] = []
        self.bundles = {name: self._bundle(name) for name in "abc"}
        self.template = folder / "template"
        board = self.board(self.template)
        for name in "ab":
            with connect(board) as connection:
                push(connection, board, self.bundles[name])

    def _bundle(self, name: str) -> Bundle:
        padding = name.encode() * 40_000  # so that a model is more than one block of a pipe
        return load_bundle(make_bundle(self.folder / name, model=make_model() + padding, name=name))

    def board(self, root: Path, **changes: str) -> Board:
        """This machine as a board with that root."""
        return replace(local_board(), root=str(root), **changes)

    @contextmanager
    def fresh(self, where: Path | None = None) -> Iterator[Path]:
        """A copy of the board's folder, gone afterwards."""
        with tempfile.TemporaryDirectory(dir=where or self.folder) as place:
            root = Path(place) / "root"
            shutil.copytree(self.template, root, symlinks=True)
            yield root

    def operate(self, board: Board, operation: str, through: Connection | None = None) -> str:
        """Do an operation, "push c" or "rollback"; what it says where it fails, "" where it does not."""
        try:
            if through is not None:
                self._do(through, board, operation)
                return ""
            with connect(board) as connection:
                self._do(connection, board, operation)
        except BrambleError as error:
            return f"{error.message} → {error.hint}"
        return ""

    def _do(self, connection: Connection, board: Board, operation: str) -> None:
        verb, _, name = operation.partition(" ")
        if verb == "push":
            pushed = push(connection, board, self.bundles[name])
            if pushed.state != "current":  # the process that verifies was what the fault hit
                raise BrambleError(f"{pushed.state}: {pushed.detail}")
        else:
            rollback(connection, board)

    def judge(self, fault: str, operation: str, root: Path, said: str, board: Board | None = None) -> Outcome:
        """Look at the board after a fault, do the operation again without it, and look again."""
        whole = self.runs_whole(root)
        again = self.operate(board or self.board(root), operation)
        healed = not again and self.runs_whole(root) and self._has_reached(root, operation)
        leaked = any(secret in said + again for secret in self.secrets)
        return Outcome(fault, operation, whole, healed, leaked, f"{said} | {again}")

    def runs_whole(self, root: Path) -> bool:
        """Whether the current release, and the previous one, are whole bundles of ours and named rightly."""
        return self.is_whole(root / "current") and self.is_whole(root / "previous")

    def is_whole(self, link: Path) -> bool:
        """Whether a link leads to a whole bundle of ours."""
        try:
            digest = open_bundle(link).digest
        except AgentError:
            return False
        return digest == link.resolve().name and digest in {one.digest for one in self.bundles.values()}

    def _has_reached(self, root: Path, operation: str) -> bool:
        current = (root / "current").resolve().name
        verb, _, name = operation.partition(" ")
        if verb == "push":
            return current == self.bundles[name].digest
        return current in {self.bundles[name].digest for name in "ab"}
