"""The screen: results on stdout, the rest on stderr, the chatter of libraries nowhere, Ctrl-C heeded."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from running import environment, on_terminal

EVENTS = """
from bramble.cli.screen import show, watching
from bramble.events import EpochEnded, EpochStep, Note, StageBegan

with watching() as tell:
    tell(StageBegan(1, 2, "train", False))
    tell(EpochStep(1, 2, 5, 10))
    tell(EpochEnded(1, 2, 0.75, 0.5, 0.5, 1.0))
    tell(EpochEnded(2, 2, 0.25, 0.9, 0.8125, 1.0))
    tell(Note("a file was [bold]written[/bold]"))
    tell(Note("a picture is damaged", warning=True))
    tell(StageBegan(2, 2, "quantize", True))
show("result")
"""
CHATTER = """
import os, subprocess, sys
from bramble.cli.screen import show, watching
from bramble.events import Note

def handles():
    return sorted(os.listdir("/proc/self/fd"))

print("before")
held = handles()
with watching() as tell:
    os.write(1, b"C++ on stdout\\n")
    os.write(2, b"C++ on stderr\\n")
    print("Python on stdout")
    print("Python on stderr", file=sys.stderr)
    subprocess.run(["sh", "-c", "echo a child; echo a child >&2"], check=True)
    tell(Note("ours"))
assert handles() == held, (handles(), held)
os.write(1, b"after, by the handle\\n")
print("after")
print("after, on stderr", file=sys.stderr)
"""
BREAKS = """
import os
from bramble.cli.screen import watching

try:
    with watching() as tell:
        os.write(1, b"chatter\\n")
        raise ValueError("of the work")
except ValueError as error:
    print("caught", error)
"""
INTERRUPT = """
import os, signal
from bramble.cli.screen import watching
from bramble.events import Note

with watching() as tell:
    {press}
    tell(Note("after Ctrl-C"))
print("went on")
"""
PRESSED = "os.kill(os.getpid(), signal.SIGINT)"
SWALLOWED = f"""try:
        {PRESSED}
    except KeyboardInterrupt:
        pass"""


def run(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script that uses the screen; its output is no terminal."""
    command = [sys.executable, "-W", "error", "-c", script]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)


def test_plain_mode_is_a_line_a_stage(tmp_path: Path) -> None:
    """In a log: each stage, the last epoch's figures, notes and warnings, as they are; the result alone on stdout."""
    done = run(EVENTS, tmp_path)
    assert done.stdout == "result\n"
    assert done.stderr.splitlines() == [
        "[1/2] train …",
        "      loss 0.2500, held-out accuracy 81.25%",
        "a file was [bold]written[/bold]",
        "warning: a picture is damaged",
        "[2/2] quantize cached",
    ]


def test_live_mode_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal the stages have bars with their figures, notes stay as they are, and the cursor comes back."""
    with on_terminal("-W", "error", "-c", EVENTS, cwd=tmp_path) as terminal:
        seen = terminal.read_until("never")
    assert terminal.process.returncode == 0
    words = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    for expected in (
        "1/2 train",
        "epoch 2/2 loss 0.2500 held-out 81.25%",
        "a file was [bold]written[/bold]",
        "a picture is damaged",
        "2/2 quantize",
        "cached",
        "✓",
    ):
        assert expected in words
    assert words.rstrip().endswith("result")
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")  # the cursor is shown again


def test_chatter_reaches_nobody_and_handles_come_back(tmp_path: Path) -> None:
    """What C++, Python and children print during the work is gone; afterwards both streams are the real ones again."""
    done = run(CHATTER, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "before\nafter, by the handle\nafter\n"
    assert done.stderr == "ours\nafter, on stderr\n"


def test_errors_pass_and_handles_come_back(tmp_path: Path) -> None:
    """An error of the work comes through, and what is printed about it is seen."""
    done = run(BREAKS, tmp_path)
    assert (done.stdout, done.stderr) == ("caught of the work\n", "")


@pytest.mark.parametrize("press", [PRESSED, SWALLOWED], ids=["at once", "swallowed by a library"])
def test_ctrl_c_ends_with_130_and_a_word(tmp_path: Path, press: str) -> None:
    """Ctrl-C ends the work and says that finished stages are kept, also where a library's callback swallowed it."""
    done = run(INTERRUPT.format(press=press), tmp_path)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "interrupted; finished stages are kept, the same command goes on from there\n"


def test_ignored_ctrl_c_stays_ignored(tmp_path: Path) -> None:
    """A job that ignores the signal, as one in the background does, goes on."""
    script = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)" + INTERRUPT.format(press=PRESSED)
    done = run(script, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "after Ctrl-C\n")


def test_ctrl_c_is_pythons_own_again_afterwards(tmp_path: Path) -> None:
    """After the work the signal is handled as before it."""
    script = (
        "import signal\nfrom bramble.cli.screen import watching\nbefore = signal.getsignal(signal.SIGINT)\n"
        "with watching():\n    pass\nprint(signal.getsignal(signal.SIGINT) is before)"
    )
    assert run(script, tmp_path).stdout == "True\n"


def test_results_are_shown_as_they_are(tmp_path: Path) -> None:
    """Paths and names that look like markup or emoji are printed letter by letter, however long the line."""
    text = "runs/[red]/x " + "long " * 60 + ":smile: [/nothing]"
    done = run(f"from bramble.cli.screen import show\nshow({text!r})", tmp_path)
    assert done.stdout == text + "\n"


def test_errors_are_shown_as_they_are(tmp_path: Path) -> None:
    """A message and its advice are two lines on stderr, brackets and all."""
    script = "from bramble.cli.screen import show_error\nshow_error('no [bold]file[/x] ' + 'a' * 200, 'try [this]')"
    done = run(script, tmp_path)
    assert done.stdout == ""
    assert done.stderr == f"bramble: no [bold]file[/x] {'a' * 200}\n  → try [this]\n"


def test_json_is_readable_utf8(tmp_path: Path) -> None:
    """JSON for scripts keeps letters, and ends with a line end."""
    done = run("from bramble.cli.screen import show_json\nshow_json({'é': [1, None]})", tmp_path)
    assert done.stdout == '{\n "é": [\n  1,\n  null\n ]\n}\n'
