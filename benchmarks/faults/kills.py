"""kill -9 of the agent at every system call that changes something on the disk, and of the host at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from rig import Outcome, Rig

CHANGES = ["write", "fsync", "ftruncate", "rename", "link", "symlink", "unlink", "mkdir", "rmdir", "utimensat"]
WRAPPER = """#!/bin/sh
# the agents of one operation are counted; the one asked for is killed at the n-th of its changing calls
n=$(( $(cat '{counter}' 2>/dev/null || echo 0) + 1 )); echo $n > '{counter}'
[ $n = {number} ] || exec '{python}' "$@"
exec strace -f -qq -o '{log}' -e trace={change} -e inject={change}:signal=SIGKILL:when={call} '{python}' "$@"
"""


def agent_kills(rig: Rig) -> Iterator[Outcome]:
    """Every agent process of an operation is killed at its first changing call, its second, and so on to the last."""
    for operation, agents in (("push c", 2), ("push a", 1), ("rollback", 1)):
        for number in range(1, agents + 1):
            for change in CHANGES:
                yield from _kills(rig, operation, number, change)


def _kills(rig: Rig, operation: str, number: int, change: str) -> Iterator[Outcome]:
    for call in count(1):
        with rig.fresh() as root:
            python, log = _wrapper(root.parent, number, change, call)
            said = rig.operate(rig.board(root, python=str(python)), operation)
            _wait_for_agents(root)
            if "killed by SIGKILL" not in log.read_text():
                return
            yield rig.judge("kill -9 of the agent, at every call that writes", operation, root, said)


def _wrapper(folder: Path, number: int, change: str, call: int) -> tuple[Path, Path]:
    python, log = folder / "python", folder / "log"
    filled = {"counter": folder / "counter", "python": sys.executable, "log": log, "change": change}
    python.write_text(WRAPPER.format(**filled, number=number, call=call))
    python.chmod(0o755)
    log.touch()
    return python, log


def host_kills(rig: Rig, times: int) -> Iterator[Outcome]:
    """The host's process is killed after a while, from before it began to after it ended."""
    chance = random.Random(1)
    for number in range(times):
        operation = ("push c", "push a", "rollback")[number % 3]
        with rig.fresh() as root:
            host = subprocess.Popen(
                [sys.executable, __file__, str(rig.folder), str(root), operation],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            assert host.stdout is not None
            host.stdout.readline()  # it has imported what it needs
            time.sleep(chance.uniform(0.0, 0.7))
            host.send_signal(signal.SIGKILL)
            host.wait()
            host.stdout.close()
            _wait_for_agents(root)
            yield rig.judge("kill -9 of the host, at any moment", operation, root, "")


def _wait_for_agents(root: Path) -> None:
    """Until no process works in that folder: what a killed host started ends by itself."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(str(root) in line for line in _command_lines()):
        time.sleep(0.05)


def _command_lines() -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                yield (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue


def _be_the_host(folder: str, root: str, operation: str) -> None:
    rig = Rig.__new__(Rig)
    rig.folder = Path(folder)
    os.environ["BRAMBLE_HOME"] = str(rig.folder / "home")
    from bramble.bundle import load_bundle

    rig.bundles = {name: load_bundle(rig.folder / name) for name in "abc"}
    print("ready", flush=True)
    rig.operate(rig.board(Path(root)), operation)


if __name__ == "__main__":
    _be_the_host(*sys.argv[1:])
