"""One look at ARM userlands by their own shell, over their own sshd: what it says of them is what they are."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bramble.fleet.connect import connect
from bramble.fleet.findings.findings import findings
from bramble.fleet.probe.probe import survey
from bramble.fleet.probe.survey import Survey
from bramble.fleet.types import Board

from .conftest import StartBoard
from .kinds import ARM64
from .machine import Options

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Expected:
    """What Debian's release notes and a Pi of that model say, and what pip should be asked for."""

    soc: str
    cpu: str
    userland: str
    libc: str
    libstdcxx: str
    python: str
    fits: str


EXPECTED = {
    "arm64_board": Expected(
        "Broadcom BCM2711", "4 × Cortex-A72", "arm64", "glibc 2.36", "3.4.30", "3.11.2", "ai-edge-litert 2.3.0"
    ),
    "armhf_board": Expected(
        "Broadcom BCM2836", "4 × Cortex-A7", "armhf", "glibc 2.36", "3.4.30", "3.11.2", "tflite-runtime 2.14.0"
    ),
    "bullseye_board": Expected(
        "Broadcom BCM2711", "4 × Cortex-A72", "arm64", "glibc 2.31", "3.4.28", "3.9.2", "ai-edge-litert 2.1.0"
    ),
    "trixie_board": Expected(
        "Broadcom BCM2711", "4 × Cortex-A72", "arm64", "glibc 2.41", "3.4.33", "3.13.5", "ai-edge-litert 2.3.0"
    ),
}


def look(board: Board) -> Survey:
    """The survey of a board."""
    with connect(board) as connection:
        return survey(connection, pythons=[board.python], name=board.name)


@pytest.mark.parametrize("fixture", EXPECTED)
def test_survey(fixture: str, request: pytest.FixtureRequest) -> None:
    """Chip, cores, userland, libraries and Python of each kind of board, and the runtime that is proposed for it."""
    expected = EXPECTED[fixture]
    told = look(request.getfixturevalue(fixture))
    assert (told.soc, told.cpu, told.cores) == (expected.soc, expected.cpu, 4)
    assert (told.userland, told.libc, told.libstdcxx) == (expected.userland, expected.libc, expected.libstdcxx)
    assert [(one.path, one.version, one.named) for one in told.pythons] == [("/usr/bin/python3", expected.python, True)]
    assert (told.user, told.home, told.hostname) == ("pi", "/home/pi", "raspberrypi")
    assert (told.governor, told.temp_c, told.throttled_bits) == ("ondemand", 47.712, 0)
    assert told.clock_skew_s == pytest.approx(0, abs=10)
    found = {one.name: one.what_to_do for one in findings(told)}
    assert found["no-runtime"] == f"`bramble board setup` installs {expected.fits}"
    assert ("glibc-too-old" in found) == (fixture == "bullseye_board")


def test_board_without_python(start_board: StartBoard) -> None:
    """A board without Python is described, and offered the line that installs it."""
    told = look(start_board(ARM64, Options(python=False)).board)
    assert (told.pythons, told.userland, told.model) == ((), "arm64", "Raspberry Pi 4 Model B Rev 1.5")
    found = {one.name: one.what_to_do for one in findings(told)}
    assert found["no-python"] == "sudo apt install python3 python3-venv"
