"""What may go wrong while a board is looked at: tools that hang, noise, odd names, clocks, answers that are none."""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from bramble.errors import UnreachableError
from bramble.fleet.probe.probe import survey
from bramble.fleet.types import Done
from fleet.boards import Shell, pi_tools, stand_in, tools, write


def test_tool_that_hangs(pi: Path, tmp_path: Path) -> None:
    """A firmware that does not answer costs its own facts only."""
    slow = 'case $1 in get_throttled) sleep 100;; *) echo "supported=0";; esac'
    path = pi_tools(tmp_path / "bin", vcgencmd=slow)
    real = shutil.which("timeout")
    stand_in(path / "timeout", f'shift; exec {real} 0.2 "$@"')
    connection = Shell(tmp_path, path=path, patience_s=20)
    told = survey(connection, root=str(pi))
    assert told.throttled_bits == 0  # the kernel's own monitor knows no more
    assert told.cores == 4


@pytest.mark.slow
def test_noise(tmp_path: Path) -> None:
    """What a login prints, without an end of line and in odd bytes, and what a job prints meanwhile, is not read."""
    noise = (
        "printf 'Welcome!\\n\\377\\033[31m machine=z80\\nbramble machine=z80'\n(sleep 0.05; echo zzz; echo zzz >&2) &"
    )
    told = survey(Shell(tmp_path, before=noise))
    assert told.machine == platform.machine()


def test_odd_names(pi: Path, tmp_path: Path) -> None:
    """A device's name can neither forge a fact nor steer the terminal that shows it."""
    write(
        pi,
        {"sys/class/video4linux/video2/name": b"evil\nmodel=none\x1b[2J\xff\n", "proc/device-tree/model": b"\xff\n\0"},
    )
    told = survey(Shell(tmp_path, path=pi_tools(tmp_path / "bin")), root=str(pi))
    assert told.cameras[1] == "evil model=none?[2J? (/dev/video2)"
    assert told.model == "?"


@pytest.mark.parametrize(("board", "expected"), [(1_000.0, 0.0), (700.0, -300.0), (4_600.0, 3_600.0)])
def test_clock_skew(pi: Path, tmp_path: Path, board: float, expected: float) -> None:
    """The board's clock against ours: half a second of rounding is taken off, and the way there and back cancels."""
    ours = iter([999.5, 1_001.5])
    path = pi_tools(tmp_path / "bin")
    stand_in(path / "date", f"echo {board:.0f}")
    told = survey(Shell(tmp_path, path=path), lambda: next(ours), root=str(pi))
    assert told.clock_skew_s == expected


class Answers:
    """A connection whose command answers with what the test says; "MARK" stands for the mark of our lines."""

    root = "/home/pi/.bramble"

    def __init__(self, done: Done) -> None:
        """``done`` is the answer."""
        self._done = done

    def run(self, argv: list[str], stdin: bytes, timeout_s: float) -> Done:
        """Answer."""
        return replace(self._done, stdout=self._done.stdout.replace(b"MARK", argv[2].encode()))


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (Done(127, b"", b"sh: not found"), r"garden: no shell answered \(exit status 127\); it said: sh: not found"),
        (Done(1, b"This account is not available.\n", b""), r"no shell answered \(exit status 1\)$"),
        (Done(0, b"MARK begin=1\nMARK machine=aarch64\n", b""), "stopped in the middle"),
        (Done(-9, b"MARK begin=1\n", b""), r"stopped in the middle \(killed by a signal\)"),
        (Done(0, b"", b""), "no shell answered"),
    ],
)
def test_answers_without_an_end(done: Done, said: str) -> None:
    """A shell that is none, refuses, or stops half-way is unreachable, with its last words."""
    with pytest.raises(UnreachableError, match=said) as caught:
        survey(Answers(done), name="garden")  # type: ignore[arg-type]
    assert caught.value.hint


def test_half_a_script_runs_nothing(tmp_path: Path) -> None:
    """Of a script that was cut on its way nothing is run: everything is one function, called on the last line."""
    script = resources.files("bramble.fleet.probe").joinpath("probe.sh").read_bytes()
    half = script[: script.index(b'main "$@"')]
    done = subprocess.run(["sh", "-s", "MARK", "", str(tmp_path)], input=half, capture_output=True, check=False)
    assert done.stdout == b""


def test_stand_ins_stay_in_their_folder(tmp_path: Path) -> None:
    """A program that a test replaces is not written through the link to this machine's own."""
    before = Path(str(shutil.which("id"))).read_bytes()
    path = tools(tmp_path / "bin", {"id": "echo 1000"})
    assert not (path / "id").is_symlink()
    assert Path(str(shutil.which("id"))).read_bytes() == before
