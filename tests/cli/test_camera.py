"""``bramble camera`` as a person meets it: lines, refusals, Ctrl-C, a swap, where there is no systemd."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from looking import until
from making import LABELS, make_bundle
from running import bramble, environment, on_terminal


@pytest.fixture
def released(tmp_path: Path, pi: str) -> Path:
    """A bundle that is current on this machine and on the board pi; the folder to work in."""
    make_bundle(tmp_path / "one", name="one")
    assert bramble("push", "one", "local", pi, cwd=tmp_path).returncode == 0
    return tmp_path


@contextmanager
def running(*words: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A verb that does not end by itself, with its stdout to read."""
    command = [sys.executable, "-m", "bramble", "camera", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=cwd, env=environment(), stdout=pipe, stderr=pipe, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


@pytest.mark.slow
@pytest.mark.parametrize("board", ["local", "pi"])
def test_one_json_line_a_frame(board: str, released: Path) -> None:
    """With what was promised in each, and nothing else on stdout."""
    done = bramble("camera", "run", board, "--source", "synthetic:", "--frames", "4", "--json", cwd=released)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["frame"] for line in lines] == sorted(line["frame"] for line in lines)
    assert len(lines) == 4
    assert all({"frame", "age_ms", "label", "score"} <= line.keys() for line in lines)
    assert "4 frames in" in done.stderr


def test_once_in_words(released: Path) -> None:
    """One frame, one line for a person."""
    done = bramble("camera", "run", "local", "--source", "synthetic:", "--once", cwd=released)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("frame      0  ")
    assert any(label in line for label in LABELS)


@pytest.mark.parametrize("board", ["local", "pi"])
def test_ctrl_c(board: str, released: Path, home: Path) -> None:
    """The board's process ends well, its socket is gone, and the whole is summed up."""
    with running("run", board, "--source", "synthetic:?fps=50", "--json", cwd=released) as started:
        assert started.stdout is not None
        for _ in range(3):
            started.stdout.readline()
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=60)
    assert started.returncode == 0, said
    assert "frames in" in said
    root = home / ("local-board" if board == "local" else "far away")
    assert (root / "camera" / "camera.lock").exists()
    assert not (root / "camera" / "camera.sock").exists()


def test_a_page_and_a_share_of_the_processor(released: Path) -> None:
    """Both reach the loop: it has a page at the address asked for, and knows its limit."""
    options = ("--source", "synthetic:?fps=20", "--page", "127.0.0.1:0", "--cpu", "50", "--json")
    with running("run", "local", *options, cwd=released) as started:
        assert started.stdout is not None
        started.stdout.readline()
        told = bramble("camera", "status", "local", "--json", cwd=released)
        loop = json.loads(told.stdout)["loop"]
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=60)
    host, _, port = loop["page"].partition(":")
    assert (host, int(port) > 0) == ("127.0.0.1", True)
    refused = bramble("camera", "run", "local", "--source", "synthetic:", "--page", "80", "--once", cwd=released)
    assert refused.returncode != 0
    assert "is no address for a page" in refused.stderr


@pytest.mark.slow
def test_on_a_terminal(released: Path) -> None:
    """One line, drawn anew for each frame."""
    words = ("-m", "bramble", "camera", "run", "local", "--source", "synthetic:?fps=50", "--frames", "5")
    with on_terminal(*words, cwd=released) as terminal:
        shown = terminal.read_until("frames in")
    assert shown.count("\r\x1b[Kframe") == 5


@pytest.mark.slow
def test_reader_that_goes_away(released: Path) -> None:
    """``… --json | head -1``: the loop ends with its reader."""
    with running("run", "pi", "--source", "synthetic:?fps=50", "--json", cwd=released) as started:
        assert started.stdout is not None
        started.stdout.readline()
        started.stdout.close()
        assert started.wait(60) != 0
        assert started.stderr is not None
        assert "Traceback" not in started.stderr.read()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--source", "v4l2:/dev/video99"), 5, "/dev/video99"),
        (("--source", "synthetic:", "--threshold", "lefd=0.5"), 2, "'left'"),
        (("--source", "synthetic:", "--threshold", "left=high"), 2, "is no score"),
    ],
)
def test_refusals(words: tuple[str, ...], code: int, said: str, released: Path) -> None:
    """One error that says what to do, nothing on stdout."""
    done = bramble("camera", "run", "pi", *words, cwd=released)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", [("run", "--source", "synthetic:"), ("swap",)])
def test_no_release(verb: tuple[str, ...], work: Path) -> None:
    """What to push is said."""
    done = bramble("camera", verb[0], "local", *verb[1:], cwd=work)
    assert done.returncode == 2
    assert "bramble push BUNDLE local" in done.stderr


@pytest.mark.slow
def test_without_systemd(released: Path) -> None:
    """Where nothing would start a service: said, with the way that works."""
    if Path("/run/systemd/system").is_dir():
        pytest.skip("systemd runs on this machine")
    done = bramble("camera", "start", "pi", "--source", "synthetic:", cwd=released)
    assert done.returncode == 6
    assert "bramble camera run pi --supervise" in done.stderr
    logs = bramble("camera", "logs", "pi", cwd=released)
    assert (logs.returncode, "no camera service" in logs.stderr) == (2, True)


@pytest.mark.slow
def test_status_swap_and_stop(released: Path, home: Path) -> None:
    """Of a loop that runs in the foreground: how it does, another release, its end."""
    none = bramble("camera", "status", "pi", cwd=released)
    assert (none.returncode, "no camera loop called 'camera'" in none.stderr) == (5, True)
    with running("run", "pi", "--source", "synthetic:?fps=100", cwd=released) as started:
        until((home / "far away" / "camera" / "camera.sock").exists, 60.0)
        told = json.loads(bramble("camera", "status", "pi", "--json", cwd=released).stdout)
        assert told["service"] is None
        assert told["loop"]["source"] == "synthetic:?fps=100"
        already = bramble("camera", "swap", "pi", cwd=released)
        assert "looks with the current release" in already.stdout
        make_bundle(released / "two", name="two")
        assert bramble("push", "two", "pi", cwd=released).returncode == 0
        swapped = bramble(
            "camera", "swap", "pi", "--compare", "8", "--probation", "8", "--latency", "999", cwd=released
        )
        assert swapped.returncode == 0, swapped.stderr
        assert "0 frames dropped, longest gap" in swapped.stdout
        make_bundle(released / "three", name="three")
        assert bramble("push", "three", "pi", cwd=released).returncode == 0
        refused = bramble("camera", "swap", "pi", "--compare", "4", "--latency", "0.001", cwd=released)
        assert refused.returncode == 7
        assert "is the board's current one again" in refused.stderr
        assert bramble("camera", "stop", "pi", cwd=released).returncode == 0
        assert started.wait(60) == 0
    gone = bramble("camera", "stop", "pi", cwd=released)
    assert (gone.returncode, "no camera loop" in gone.stderr) == (5, True)


@pytest.mark.slow
def test_supervised(released: Path, home: Path) -> None:
    """Killed, it comes again; Ctrl-C ends both."""
    socket = home / "far away" / "camera" / "camera.sock"
    with running("run", "pi", "--source", "synthetic:?fps=50", "--supervise", cwd=released) as started:
        assert started.stdout is not None
        assert started.stdout.readline().startswith("frame")
        status = json.loads(bramble("camera", "status", "pi", "--json", cwd=released).stdout)
        assert status["loop"]["frames"] > 0
        listed = ["pgrep", "-f", f"[-]-supervised {home}/far away"]
        done = subprocess.run(listed, capture_output=True, text=True, check=True)
        (loop,) = done.stdout.split()
        subprocess.run(["kill", "-9", loop], check=True)
        assert "killed by signal 9; next start in 1 s" in started.stdout.readline()
        assert started.stdout.readline().startswith("frame")
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=60)
    assert started.returncode == 0, said
    assert not socket.exists()
