"""Blank ARM boards become ready with what truly fits each, run a bundle, and stand a power cut in the middle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bramble.bundle import load_bundle
from bramble.deploy import Measure, deploy
from bramble.errors import IncompatibleError, StorageError, UnreachableError
from bramble.events import Event, Note
from bramble.fleet.connect import connect
from bramble.fleet.inventory import boards
from bramble.fleet.probe.probe import survey
from bramble.fleet.setup.choose import Wish
from bramble.fleet.setup.setup import Ready, pythons_of, set_up
from bramble.fleet.types import Board
from making import make_bundle

from .conftest import StartBoard
from .kinds import ARM64
from .machine import Machine, Options

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("registry")]


@dataclass(frozen=True)
class Expected:
    """What fits a board: by the runtimes' ELF needs and Debian's releases. ``numpy`` is how its version begins."""

    runtime: str
    numpy: str
    sent: tuple[str, ...]


EXPECTED = {
    "arm64_board": Expected("ai-edge-litert 2.3.0", "1.26.", ("ai-edge-litert", "numpy", "pillow", "pip")),
    "armhf_board": Expected("tflite-runtime 2.14.0", "1.24.2", ("tflite-runtime", "pip")),
    "bullseye_board": Expected("ai-edge-litert 2.1.0", "1.26.", ("ai-edge-litert", "numpy", "pillow", "pip")),
    "trixie_board": Expected("ai-edge-litert 2.3.0", "2.", ("ai-edge-litert", "numpy", "pillow", "pip")),
}


def quiet(event: Event) -> None:
    """Watch nothing."""


def set_up_again(board: Board, on_event: Callable[[Event], None] = quiet, runtime: str = "") -> Ready:
    """Set a board up as the command does, as the inventory knows it by now."""
    known = boards().get(board.name, board)
    with connect(known) as connection:
        seen = survey(connection, pythons=pythons_of(connection, known), name=known.name)
        return set_up(connection, known, seen, Wish(runtime), on_event)


@pytest.mark.parametrize("fixture", EXPECTED)
def test_from_blank_to_a_bundle(fixture: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Each kind of board gets its best runtime, gives a bundle's golden answers, is measured; again nothing is done."""
    board: Board = request.getfixturevalue(fixture)
    expected = EXPECTED[fixture]
    told: list[str] = []
    first = set_up_again(board, lambda event: told.append(event.text) if isinstance(event, Note) else None)
    assert first.runtime == expected.runtime
    assert first.numpy.startswith(expected.numpy)
    assert first.python == "/home/pi/.bramble/venv/bin/python"
    (sending,) = (line.partition(" sending ")[2] for line in told if " sending " in line)
    assert tuple(part.split()[0] for part in sending.split(", ")) == expected.sent
    assert any("apt install python3-pil" in line for line in told) == ("pillow" not in expected.sent)
    assert set_up_again(board) == replace(first, sent_bytes=0, changed=False)

    path = make_bundle(tmp_path / "bundle")
    report = deploy(load_bundle(path), boards()[board.name], Measure("quick"), quiet)
    assert report.verify.ok
    assert report.bench.runtime == expected.runtime
    assert len(report.bench.samples_ns) >= 64


def test_power_cut(arm64_machine: Machine) -> None:
    """A board that loses its power while it installs is set up by the next attempt, which sends nothing anew."""
    stopped: list[Exception] = []

    def attempt() -> None:
        try:
            set_up_again(arm64_machine.board)
        except UnreachableError as error:
            stopped.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    deadline = time.monotonic() + 300
    while arm64_machine.as_root("ls -d /home/pi/.bramble/venvs/.fresh-*/lib", check=False).returncode:
        assert time.monotonic() < deadline
        assert thread.is_alive()
        time.sleep(0.2)
    arm64_machine.as_root("kill -9 -1", check=False)
    thread.join()
    assert len(stopped) == 1
    ready = set_up_again(arm64_machine.board)
    assert (ready.sent_bytes, ready.changed) == (0, True)
    left = arm64_machine.as_root("ls -a /home/pi/.bramble/venvs").stdout.split()
    assert not [name for name in left if name.startswith(".fresh")]


def test_no_python(start_board: StartBoard) -> None:
    """A board without Python is refused with the command that brings one."""
    with pytest.raises(IncompatibleError, match="no Python on the board") as caught:
        set_up_again(start_board(ARM64, Options(python=False)).board)
    assert "sudo apt install python3" in caught.value.hint


def test_full_card(start_board: StartBoard) -> None:
    """A board without room is refused with both figures, before anything of ours is there."""
    machine = start_board(ARM64, Options(disk_bytes=60 << 20))
    with pytest.raises(StorageError, match=r"of space, .* are free"):
        set_up_again(machine.board)
    assert ".bramble" not in machine.as_root("ls -A /home/pi").stdout


def test_litert_on_32_bits(armhf_board: Board) -> None:
    """A runtime that no 32-bit board can have is refused by name, with what there is."""
    with pytest.raises(IncompatibleError, match=r"no ai-edge-litert for Python 3\.11 on armv7l") as caught:
        set_up_again(armhf_board, runtime="ai-edge-litert")
    assert "tflite-runtime 2.14.0" in caught.value.hint
