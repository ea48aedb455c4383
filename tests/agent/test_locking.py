"""One at a time on a board's folder, and nobody for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bramble_agent.errors import Busy
from bramble_agent.locking import locked

HOLD = """
import fcntl, sys, time
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print(flush=True)
time.sleep(60)
"""


def test_folder_is_made(tmp_path: Path) -> None:
    """A board's folder comes into being with the first lock; it can be taken again and again."""
    for _ in range(2):
        with locked(tmp_path / "a" / "board"):
            assert (tmp_path / "a" / "board").is_dir()


def test_busy(tmp_path: Path) -> None:
    """A second one is told after its patience, and what to do."""
    with locked(tmp_path):
        with pytest.raises(Busy, match=f"holds {tmp_path}") as caught, locked(tmp_path, 0.1):
            pytest.fail("two at once")
        with pytest.raises(Busy), locked(tmp_path, 0.0):
            pytest.fail("two at once")
    assert "try again" in caught.value.hint


def test_waiting(tmp_path: Path) -> None:
    """Who waits gets it as soon as it is free, after an error within too."""
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path, 20.0):
            order.append("second")

    waiting = threading.Thread(target=second)

    def first() -> None:
        with locked(tmp_path):
            waiting.start()
            time.sleep(0.1)
            order.append("first")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        first()
    waiting.join(20)
    assert order == ["first", "second"]


def test_killed_holder(tmp_path: Path) -> None:
    """The lock of a process that is killed is free at once."""
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "lock"], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(Busy), locked(tmp_path, 0.0):
            pytest.fail("two at once")
        holder.kill()
        holder.wait()
        with locked(tmp_path, 0.0):
            pass


def test_children_do_not_hold_it(tmp_path: Path) -> None:
    """A program that was started under the lock, and lives on, does not keep it."""
    with locked(tmp_path):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with locked(tmp_path, 0.0):
        assert child.poll() is None
        child.kill()
    child.wait()
