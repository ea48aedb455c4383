"""Watching a service: what may fail at first must not later, and what hangs is ended with all it started."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bramble_agent import health
from bramble_agent.health import healthy


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only sleeping moves; all sleeps."""
    slept: list[float] = []
    monkeypatch.setattr(health.time, "monotonic", lambda: sum(slept))
    monkeypatch.setattr(health.time, "sleep", slept.append)
    return slept


def answers(monkeypatch: pytest.MonkeyPatch, *said: str) -> list[str]:
    """Let the checks say these, the last one for ever; the list is what is left."""
    left = list(said)
    monkeypatch.setattr(health, "_tried", lambda command: left.pop(0) if len(left) > 1 else left[0])
    return left


def test_nothing_to_check(clock: list[float]) -> None:
    """Without a command all is well at once, however long one would watch."""
    assert healthy((), 60.0) == ""
    assert clock == []


def test_well_all_the_time(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is well is watched to the end, about once a second."""
    answers(monkeypatch, "")
    assert healthy(("x",), 10.0) == ""
    assert clock == [1.0] * 10


def test_once(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """No time at all is one check, and it counts."""
    answers(monkeypatch, "", "bad")
    assert healthy(("x",), 0.0) == ""
    assert healthy(("x",), 0.0) == "bad"
    assert clock == []


def test_slow_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails in the first half only is well; at half time it is not any more."""
    answers(monkeypatch, *["starting"] * 5, "")
    assert healthy(("x",), 10.0) == ""
    answers(monkeypatch, *["starting"] * 6, "")
    assert healthy(("x",), 10.0) == "starting"


def test_later_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """One failure in the second half is one too many, the last check included."""
    answers(monkeypatch, *[""] * 7, "crashed", "")
    assert healthy(("x",), 10.0) == "crashed"
    answers(monkeypatch, *[""] * 10, "crashed")
    assert healthy(("x",), 10.0) == "crashed"


def test_short_watch(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds are eight checks, not two."""
    answers(monkeypatch, "")
    assert healthy(("x",), 2.0) == ""
    assert clock == [0.25] * 8


def test_what_a_check_says() -> None:
    """Its status and the last line it said, on either stream; silence too; a signal; a command that is not there."""
    assert healthy(("true",), 0) == ""
    assert healthy(("sh", "-c", "echo fine"), 0) == ""
    assert healthy(("sh", "-c", "exit 4"), 0) == "the health check 'sh' says 4"
    assert (
        healthy(("sh", "-c", "echo a; echo no camera >&2; echo; exit 1"), 0)
        == "the health check 'sh' says 1: no camera"
    )
    assert healthy(("sh", "-c", "kill -9 $$"), 0) == "the health check 'sh' says -9"
    assert healthy(("/no/such",), 0) == "the health check '/no/such' cannot be run: No such file or directory"
    assert healthy(("/",), 0) == "the health check '/' cannot be run: Permission denied"


def test_much_noise() -> None:
    """A check that says a lot is told by its end."""
    said = healthy(("sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; printf '\\377\\nthe end'; exit 1"), 0)
    assert said == "the health check 'sh' says 1: the end"
    said = healthy(("sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; exit 1"), 0)
    assert said == "the health check 'sh' says 1: " + "x" * 200


def test_reads_nothing() -> None:
    """It gets no input: not the files that a host sends."""
    assert healthy(("sh", "-c", 'test -z "$(cat)"'), 0) == ""


def gone(pid: int) -> bool:
    """Whether a process ends within seconds."""
    for _ in range(500):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.01)
    return False


def test_check_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a failed one, and what it started is ended with it."""
    monkeypatch.undo()
    monkeypatch.setattr(health, "PATIENCE_S", 0.3)
    said = healthy(("sh", "-c", f"sleep 60 & echo $! >'{tmp_path}/pid'; wait"), 0)
    assert said == "the health check 'sh' did not end within 0.3 s"
    assert gone(int((tmp_path / "pid").read_text()))


def test_check_that_leaves_something_behind(tmp_path: Path) -> None:
    """A check that ends is not waited for any longer because of what it started in the background."""
    assert healthy(("sh", "-c", f"sleep 60 & echo $! >'{tmp_path}/pid'"), 0) == ""
    os.kill(int((tmp_path / "pid").read_text()), 9)
