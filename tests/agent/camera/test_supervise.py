"""A service that fails is started anew, one that hangs is ended, one that fails too often is given up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.camera.test_verb import environment, request
from bramble_agent.camera.supervise import Limits, supervise
from looking import until
from making import make_bundle

QUICK = Limits(watchdog_s=0.3, start_s=20.0, stop_s=5.0, first_pause_s=0.01, most_pause_s=0.02, burst=3)
TELL = """
import os, socket, sys, time
def tell(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:
        mouth.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
with open(sys.argv[1], "a") as starts:
    count = starts.tell()
    starts.write("x")
"""


def supervised(body: str, tmp_path: Path, limits: Limits = QUICK) -> tuple[int, list[str], int]:
    """The status, the notes and the number of starts of a Python script that knows ``tell`` and ``count``."""
    notes: list[str] = []
    command = [sys.executable, "-S", "-c", TELL + body, str(tmp_path / "starts")]
    status = supervise(command, threading.Event(), notes.append, limits)
    return status, notes, (tmp_path / "starts").stat().st_size


def test_an_end_is_an_end(tmp_path: Path) -> None:
    """Status 0 is no failure."""
    assert supervised("sys.exit(0)", tmp_path) == (0, [], 1)


def test_failures_and_kills(tmp_path: Path) -> None:
    """Started anew with growing pauses, until it goes well."""
    body = "if count == 0: sys.exit(3)\nif count == 1: os.kill(os.getpid(), 9)"
    status, notes, starts = supervised(body, tmp_path)
    assert (status, starts) == (0, 3)
    assert notes == [
        "it failed with status 3; next start in 0.01 s",
        "it was killed by signal 9; next start in 0.02 s",
    ]


def test_start_limit(tmp_path: Path) -> None:
    """Three starts within the time, and no fourth."""
    status, notes, starts = supervised("sys.exit(1)", tmp_path)
    assert (status, starts) == (1, 3)
    assert notes[-1] == "given up: it failed 3 times within 60 s"


def test_watchdog(tmp_path: Path) -> None:
    """One that was ready and goes silent is ended, also where it heeds no signal but the last; then started anew."""
    body = "import signal; signal.signal(6, signal.SIG_IGN)\ntell('READY=1')\nif count == 0: time.sleep(60)"
    limits = Limits(watchdog_s=0.3, start_s=20.0, stop_s=0.2, first_pause_s=0.01)
    status, notes, starts = supervised(body, tmp_path, limits)
    assert (status, starts, notes) == (0, 2, ["it hung; next start in 0.01 s"])


def test_fed_watchdog(tmp_path: Path) -> None:
    """One that says so lives on for longer than the watchdog's time."""
    body = "tell('READY=1')\nfor n in range(20): time.sleep(0.05); tell('WATCHDOG=1')"
    assert supervised(body, tmp_path, Limits(watchdog_s=0.6)) == (0, [], 1)


def test_never_ready(tmp_path: Path) -> None:
    """One that does not come up is as good as one that hangs."""
    limits = Limits(start_s=0.5, stop_s=5.0, first_pause_s=0.01, burst=1)
    status, notes, _ = supervised("time.sleep(60)", tmp_path, limits)
    assert (status, notes[0]) == (1, "it did not begin within 0.5 s; next start in 0.01 s")


@pytest.mark.slow
def test_as_a_process(tmp_path: Path) -> None:
    """The agent's own mode: its loop is killed and comes again, a signal ends both; the lines come through."""
    bundle, path = make_bundle(tmp_path / "bundle"), tmp_path / "camera.json"
    path.write_bytes(
        request("camera", bundle=str(bundle), source="synthetic:?fps=50", root=str(tmp_path), tell="nothing")
    )
    run = [sys.executable, "-m", "bramble_agent", "--supervise", str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(run, env=environment(), stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as started:
        assert started.stdout is not None
        socket = tmp_path / "camera" / "camera.sock"
        until(socket.exists, 60.0)
        (loop,) = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
        socket.unlink()
        os.kill(int(loop), signal.SIGKILL)
        until(socket.exists, 60.0)
        started.terminate()
        said = [json.loads(line) for line in started.stdout]
        assert started.wait(30) == 0
    assert said[0]["line"] == {"note": "it was killed by signal 9; next start in 1 s"}
    assert said[1]["answer"]["ended"] == "stop"
    assert not socket.exists()


def test_ended_by_a_word(tmp_path: Path) -> None:
    """As a host ends it over a link: a line on stdin."""
    bundle, path = make_bundle(tmp_path / "bundle"), tmp_path / "camera.json"
    path.write_bytes(request("camera", bundle=str(bundle), source="synthetic:?fps=50", tell="nothing"))
    run = [sys.executable, "-m", "bramble_agent", "--supervise", str(path)]
    done = subprocess.run(run, env=environment(), input=b"stop\n", capture_output=True, check=False, timeout=60)
    assert done.returncode == 0


def test_foreground_is_ended_by_a_word(tmp_path: Path) -> None:
    """A line behind the request ends the loop, also one that came before it began."""
    ask = request("camera", bundle=str(make_bundle(tmp_path / "bundle")), source="synthetic:?fps=50", tell="nothing")
    run = [sys.executable, "-m", "bramble_agent"]
    done = subprocess.run(run, env=environment(), input=ask + b"stop\n", capture_output=True, check=False, timeout=60)
    assert json.loads(done.stdout.splitlines()[-1])["answer"]["ended"] == "stop"
    pipe = subprocess.PIPE
    with subprocess.Popen(run, env=environment(), stdin=pipe, stdout=pipe) as started:
        assert started.stdin is not None
        started.stdin.write(ask)
        started.stdin.flush()
        said, _ = started.communicate(b"stop\n", timeout=60)
    assert json.loads(said.splitlines()[-1])["answer"]["ended"] == "stop"
