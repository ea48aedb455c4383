"""A line a board: what it says of each step and end, and which lines a low terminal shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bramble.cli.lines import FAILED, WAITING, WORKING, Line, fitting, line_of
from bramble.errors import UnreachableError
from bramble.events import Event, Note, Sent, Step
from bramble.fleet.rollout import Outcome
from bramble.report.verdict import Verdict
from running import environment, on_terminal

WORK = """
import sys
from bramble.cli.lines import lines
from bramble.errors import UnreachableError
from bramble.events import Note, Sent, Step
from bramble.fleet.rollout import Outcome
from bramble.fleet.types import Board
from bramble.report.verdict import Verdict

boards = [Board(name, name) for name in ("pi1", "pi2", "pi[3]")]
with lines(boards, lambda result: (Verdict(result), f"done {result}")) as tell:
    for board in boards:
        tell(board, Step("connecting"))
    for sent in (20, 40, 99):
        tell(boards[0], Sent(sent, 100))
    print("chatter")
    tell(boards[0], Note("pi1: all is well"))
    tell(boards[1], Note("pi2: it is hot", warning=True))
    tell(boards[1], Outcome(error=UnreachableError("pi2: is off", "switch it on")))
    MORE
    tell(boards[0], Outcome("pass"))
    tell(boards[2], Outcome("missed"))
print("result")
"""
PRESSED = "raise KeyboardInterrupt"


def state(result: str) -> tuple[Verdict, str]:
    """How the results of these tests are told."""
    return Verdict(result), f"done {result}"


@pytest.mark.parametrize(
    ("change", "text", "kind"),
    [
        (Step("verifying"), "verifying", WORKING),
        (Sent(0, 10), "0 % sent", WORKING),
        (Sent(4, 10), "40 % sent", WORKING),
        (Sent(999, 1000), "99 % sent", WORKING),
        (Sent(10, 10), "verifying", WORKING),
        (Note("anything"), "before", WAITING),
        (Outcome("pass"), "done pass", Verdict.PASS),
        (Outcome("undecided"), "done undecided", Verdict.UNDECIDED),
        (Outcome(error=UnreachableError("is off")), "failed: is off", FAILED),
        (Outcome(error=UnreachableError("pi: is off")), "failed: is off", FAILED),
    ],
)
def test_line_of_a_change(change: Event | Outcome[str], text: str, kind: str) -> None:
    """Each kind of news makes its line; a note leaves it as it was."""
    line = line_of("pi", change, state, Line("before"))
    assert (line.text, line.kind) == (text, kind)


def test_a_step_counts_from_its_beginning() -> None:
    """The seconds that are shown are those since the last news; that all is sent is no news twice."""
    began = Line("verifying", WORKING, since=5.0)
    assert line_of("pi", Sent(10, 10), state, began) == began
    assert line_of("pi", Step("measuring"), state, began).since > 5.0


@pytest.mark.parametrize(
    ("height", "names"),
    [
        (9, "done failed missed working waiting last"),
        (6, "done failed missed working waiting last"),
        (5, "done failed missed working last"),
        (4, "failed missed working last"),
        (2, "working last"),
        (1, "working"),
    ],
)
def test_lines_that_fit(height: int, names: str) -> None:
    """On a low terminal those at work stay, then those that failed, then those that are done; in their order."""
    shown = {
        "done": Line("", Verdict.PASS),
        "failed": Line("", FAILED),
        "missed": Line("", Verdict.MISSED),
        "working": Line("", WORKING),
        "waiting": Line("", WAITING),
        "last": Line("", WORKING),
    }
    assert " ".join(fitting(shown, height)) == names


def test_in_a_log(tmp_path: Path) -> None:
    """Without a terminal: a line for each new step and end, none for bytes, the result alone on stdout."""
    command = [sys.executable, "-W", "error", "-c", WORK.replace("MORE", "pass")]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.stdout == "result\n"
    assert done.stderr.splitlines() == [
        "pi1: connecting",
        "pi2: connecting",
        "pi[3]: connecting",
        "warning: pi2: it is hot",
        "pi2: failed: is off",
        "pi1: done pass",
        "pi[3]: done missed",
    ]


def test_ctrl_c_says_how_far_all_came(tmp_path: Path) -> None:
    """Ctrl-C ends with 130 and counts the boards."""
    command = [sys.executable, "-W", "error", "-c", WORK.replace("MORE", PRESSED)]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.splitlines()[-1] == "interrupted: 0 of 3 done, 1 failed, 2 at work"


def test_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal the lines are drawn over each other with names as they are, and make place for the result."""
    with on_terminal(
        "-W", "error", "-c", WORK.replace("MORE", "import time; time.sleep(0.5)"), cwd=tmp_path
    ) as terminal:
        seen = terminal.read_until("never")
    assert terminal.process.returncode == 0
    words = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    for expected in (
        "pi1   99 % sent",
        "✗ pi2   failed: is off",
        "pi[3] connecting",
        "pi2: it is hot",
        "✓ pi1   done pass",
    ):
        assert expected in words
    assert "chatter" not in words
    assert words.rstrip().endswith("result")
    assert seen.count("\x1b[2K") > 4  # the last lines are wiped away
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")  # the cursor is shown again


def test_ctrl_c_on_a_terminal_keeps_the_lines(tmp_path: Path) -> None:
    """After Ctrl-C the lines stay, so that one sees which boards were in the middle of it."""
    with on_terminal("-W", "error", "-c", WORK.replace("MORE", PRESSED), cwd=tmp_path) as terminal:
        seen = terminal.read_until("never")
    assert terminal.process.returncode == 130
    words = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert words.rstrip().endswith("interrupted: 0 of 3 done, 1 failed, 2 at work")
    assert "99 % sent" in words
