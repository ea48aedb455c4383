"""A verb on one board: a line for its step, and what is on the board when it is broken off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from making import make_bundle
from running import bramble, environment, on_terminal

WORK = """
import time
from bramble.cli.one import Show, at_work
from bramble.events import Note, Sent, Step

with at_work("pi", Show(HOW)) as tell:
    tell(Step("checking"))
    for sent in (20, 40, 99, 100):
        tell(Sent(sent, 100))
    MORE
    tell(Note("pi: it is hot", warning=True))
    tell(Note("pi: all is [well]"))
    tell(Step("measuring"))
print("result")
"""
STAYS = "interrupted: pi: what was current there stays current; the same command goes on"
EITHER = "interrupted: pi: the old or the new release is current, whole: `bramble board probe pi` shows which"


def script(how: str = "", more: str = "pass") -> str:
    """The work shown in some way, with more in its middle."""
    return WORK.replace("HOW", how).replace("MORE", more)


def run(text: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script whose output is no terminal."""
    command = [sys.executable, "-W", "error", "-c", text]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("", ["pi: checking", "pi: verifying", "warning: pi: it is hot", "pi: all is [well]", "pi: measuring"]),
        ("notes=False", ["pi: checking", "pi: verifying", "pi: measuring"]),
        ("steps=False", ["warning: pi: it is hot", "pi: all is [well]"]),
        ("quiet=True", ["warning: pi: it is hot", "pi: all is [well]"]),
        ("quiet=True, notes=False", []),
    ],
)
def test_no_terminal(tmp_path: Path, how: str, told: list[str]) -> None:
    """In a log a line for each step and note; with --json no steps."""
    done = run(script(how), tmp_path)
    assert (done.returncode, done.stdout) == (0, "result\n"), done.stderr
    assert done.stderr.splitlines() == told


@pytest.mark.slow
def test_terminal(tmp_path: Path) -> None:
    """On a terminal the step stands there with its seconds, and goes away at the end; notes stay."""
    with on_terminal("-W", "error", "-c", script(more="time.sleep(2.5)"), cwd=tmp_path) as terminal:
        seen = terminal.read_until("never")
    assert terminal.process.returncode == 0
    assert "pi: verifying 2 s" in seen
    assert "pi: all is [well]" in seen
    assert seen.rstrip().endswith("result")


@pytest.mark.parametrize(
    ("how", "told"), [("", STAYS), ("switches=True", EITHER)], ids=["that leaves all", "that switches"]
)
def test_ctrl_c(tmp_path: Path, how: str, told: str) -> None:
    """Ctrl-C says what is current on the board: in a verb that switches, by the step that it was at; exit code 130."""
    done = run(script(how, "raise KeyboardInterrupt"), tmp_path)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.splitlines()[-1] == told
    cut = script(how, "raise KeyboardInterrupt").replace("20, 40, 99, 100", "20,")
    assert run(cut, tmp_path).stderr.splitlines()[-1] == STAYS


@pytest.mark.slow
def test_push_shows_its_steps(work: Path) -> None:
    """A push tells what it is at; with --json nothing but the result is said."""
    make_bundle(work / "bundle")
    told = bramble("push", "bundle", cwd=work)
    assert told.stderr.splitlines()[:2] == ["local: checking", "local: verifying"]
    assert bramble("push", "bundle", "--json", cwd=work).stderr == ""
