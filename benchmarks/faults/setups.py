"""A session killed, or a link cut, at any moment of a setup: the environment before stays, a repeat heals."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from links import _sessions, _wait_for_sessions
from rig import Outcome, Rig

from bramble.errors import BrambleError
from bramble.fleet.connect import connect
from bramble.fleet.probe.probe import survey
from bramble.fleet.setup.choose import Wish
from bramble.fleet.setup.setup import pythons_of, set_up
from bramble.fleet.types import Board
from proxy import Faults, proxied
from serving import Server, board_of, serving

PROOF = "import numpy; from ai_edge_litert.interpreter import Interpreter"
LONGEST_S = 8.0


def killed_setups(rig: Rig, times: int) -> Iterator[Outcome]:
    """Kill -9 of the session's server, or a cut link, while a blank board is set up."""
    chance = random.Random(8)
    with serving(rig.folder / "setup-server") as server:
        for number in range(times):
            with rig.fresh() as root:
                board = board_of(server, root, python=_python())
                cut = number % 2 == 1
                said = (_cut if cut else _killed)(server, board, chance)
                _wait_for_sessions(server)
                whole = rig.runs_whole(root) and _works(root)
                again = _set_up(board)
                fault = "the link cut after any byte" if cut else "kill -9 of sshd, at any moment"
                healed = not again and _works(root) and (root / "venv").exists()
                yield Outcome(fault, "board setup", whole, healed, False, f"{said} | {again}")


def _killed(server: Server, board: Board, chance: random.Random) -> str:
    said: list[str] = []
    work = threading.Thread(target=lambda: said.append(_set_up(board)))
    work.start()
    time.sleep(chance.uniform(0.05, LONGEST_S))
    for process in _sessions(server):
        os.kill(process, signal.SIGKILL)
    work.join()
    return said[0]


def _cut(server: Server, board: Board, chance: random.Random) -> str:
    with proxied(server.port) as proxy:
        proxy.faults = Faults(cut=chance.randrange(1_000, 6_000_000))
        return _set_up(Board(**{**vars(board), "port": proxy.port}))


def _set_up(board: Board) -> str:
    """Set a board up; what it says where it fails."""
    try:
        with connect(board) as connection:
            seen = survey(connection, pythons=pythons_of(connection, board), name=board.name)
            set_up(connection, board, seen, Wish(), lambda event: None)
    except BrambleError as error:
        return f"{error.message} → {error.hint}"
    return ""


def _works(root: Path) -> bool:
    """Whether the environment in use, if there is one, imports its runtime."""
    python = root / "venv" / "bin" / "python"
    return not python.exists() or not subprocess.run([python, "-c", PROOF], capture_output=True, check=False).returncode


def _python() -> str:
    """A Python without packages: the one that this environment was made of."""
    return os.path.realpath(sys.executable)
