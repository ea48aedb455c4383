"""Links that are cut after any byte, servers whose session is killed, and boards that show another host key."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from rig import Outcome, Rig

from bramble.fleet.types import Board
from proxy import Faults, proxied
from serving import Server, board_of, make_key, serving

TRAFFIC = 16_000  # bytes that an operation takes both ways, about


def cuts(rig: Rig, times: int) -> Iterator[Outcome]:
    """The link dies after some bytes up or down, and is there again for the repeat."""
    chance = random.Random(6)
    with _served(rig) as server:
        for number in range(times):
            operation = ("push c", "push a", "rollback")[number % 3]
            with rig.fresh() as root:
                board = board_of(server, root)
                at = chance.randrange(TRAFFIC)
                faults = Faults(cut=at) if number % 2 else Faults(damage=at)
                with proxied(server.port) as proxy:
                    proxy.faults = faults
                    said = rig.operate(board_of(server, root, port=proxy.port), operation)
                _wait_for_sessions(server)
                fault = "the link cut after any byte" if number % 2 else "any byte of the link damaged"
                yield rig.judge(fault, operation, root, said, board)


def killed_servers(rig: Rig, times: int) -> Iterator[Outcome]:
    """Kill -9 of the session's server at any moment."""
    chance = random.Random(7)
    with _served(rig) as server:
        for number in range(times):
            operation = ("push c", "push a", "rollback")[number % 3]
            with rig.fresh() as root:
                board, said = board_of(server, root), list[str]()
                work = threading.Thread(target=_note, args=(rig, board, operation, said))
                work.start()
                time.sleep(chance.uniform(0.02, 0.7))
                for process in _sessions(server):
                    os.kill(process, signal.SIGKILL)
                work.join()
                _wait_for_sessions(server)
                yield rig.judge("kill -9 of sshd, at any moment", operation, root, said[0], board)


def changed_keys(rig: Rig, times: int) -> Iterator[Outcome]:
    """The server has another host key than the pinned one: nothing is sent; with the right key again all is well."""
    for number in range(times):
        operation = ("push c", "push a", "rollback")[number % 3]
        with serving(rig.folder / f"server-{number}") as server, rig.fresh() as root:
            rig.secrets.append(server.user_key.read_text().splitlines()[2])
            board = board_of(server, root)
            server.stop()
            server.host_key.rename(server.host_key.with_name("right"))
            make_key(server.host_key)
            server.start()
            before = sorted(path.name for path in root.rglob("*"))
            said = rig.operate(board, operation)
            assert "host key" in said, said
            assert before == sorted(path.name for path in root.rglob("*"))
            server.stop()
            server.host_key.with_name("right").replace(server.host_key)
            server.start()
            yield rig.judge("another host key", operation, root, said, board)
        shutil.rmtree(rig.folder / f"server-{number}")


def _note(rig: Rig, board: Board, operation: str, said: list[str]) -> None:
    said.append(rig.operate(board, operation))


def _served(rig: Rig) -> AbstractContextManager[Server]:
    return serving(rig.folder / f"server-{time.monotonic_ns()}")


def _sessions(server: Server) -> list[int]:
    """The processes below the listening server."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    below = {server.pid}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return [one for one in below if one != server.pid and b"sshd" in _command(one)]


def _command(process: int) -> bytes:
    try:
        return (Path("/proc") / str(process) / "cmdline").read_bytes()
    except OSError:
        return b""


def _wait_for_sessions(server: Server) -> None:
    """Until the server's sessions have ended: an agent notices within half a second that its link is gone."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _sessions(server):
        time.sleep(0.05)
    time.sleep(0.6)
