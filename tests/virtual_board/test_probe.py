"""The product's own way to a board and its agent, on ARM userlands: what it says of them is what they are."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bramble.errors import IncompatibleError
from bramble.fleet.ask import ask
from bramble.fleet.connect import connect
from bramble.fleet.types import Board
from bramble_agent.wire import ProbeAnswer, ProbeAsk

from .conftest import StartBoard
from .kinds import ARM64
from .machine import Machine, Options

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Expected:
    """What Debian's release notes and a Pi of that model say."""

    machine: str
    bits: int
    python: str
    libc: str
    model: str
    max_khz: int


EXPECTED = {
    "arm64_board": Expected("aarch64", 64, "3.11.", "glibc 2.36", "Raspberry Pi 4 Model B Rev 1.5", 1_800_000),
    "armhf_board": Expected("armv7l", 32, "3.11.", "glibc 2.36", "Raspberry Pi 2 Model B Rev 1.1", 900_000),
    "bullseye_board": Expected("aarch64", 64, "3.9.", "glibc 2.31", "Raspberry Pi 4 Model B Rev 1.5", 1_800_000),
    "trixie_board": Expected("aarch64", 64, "3.13.", "glibc 2.41", "Raspberry Pi 4 Model B Rev 1.5", 1_800_000),
}


def probe(board: Board) -> ProbeAnswer:
    """What the agent says of a board."""
    with connect(board) as connection:
        return ask(connection, board, ProbeAsk(), ProbeAnswer)


@pytest.mark.parametrize("fixture", EXPECTED)
def test_probe(fixture: str, request: pytest.FixtureRequest) -> None:
    """The agent runs on every kind of board and tells its architecture, pointers, Python, C library, model, heat."""
    expected = EXPECTED[fixture]
    answer = probe(request.getfixturevalue(fixture))
    facts = answer.facts
    assert (facts.machine, facts.userland_bits) == (expected.machine, expected.bits)
    assert facts.python.startswith(expected.python)
    assert (facts.libc, facts.model) == (expected.libc, expected.model)
    assert facts.hostname == "raspberrypi"
    assert answer.now.temp_c == 47.712
    assert (answer.now.governor, answer.now.freq_max_khz) == ("ondemand", expected.max_khz)
    assert answer.now.throttled_bits == 0
    assert facts.runtimes == ()
    assert (facts.numpy is not None) == (fixture == "armhf_board")


def test_state_is_read_anew(arm64_machine: Machine) -> None:
    """A board that was heated until it throttles says so; one whose sensor is gone says nothing of heat."""
    arm64_machine.as_root(
        "echo 81500 >/sys/class/thermal/thermal_zone0/temp && "
        "echo 4 >/sys/devices/platform/soc/soc:firmware/get_throttled"
    )
    now = probe(arm64_machine.board).now
    assert (now.temp_c, now.throttled_bits) == (81.5, 0b100)
    arm64_machine.as_root("rm -r /sys/class/thermal")
    assert probe(arm64_machine.board).now.temp_c is None


def test_firmware_tool(arm64_machine: Machine) -> None:
    """Where /sys has no throttle bits, as with newer kernels, the agent asks vcgencmd."""
    arm64_machine.as_root("echo 'echo throttled=0x50005' >/usr/bin/vcgencmd && rm -r /sys/devices/platform")
    arm64_machine.as_root("sed -i '1i#!/bin/sh' /usr/bin/vcgencmd")
    assert probe(arm64_machine.board).now.throttled_bits == 0x50005


def test_no_python(start_board: StartBoard) -> None:
    """A board without Python is reached, and refused with what to install."""
    machine = start_board(ARM64, Options(python=False))
    with pytest.raises(IncompatibleError) as caught:
        probe(machine.board)
    assert "there is no Python at 'python3'" in caught.value.message
    assert "sudo apt install python3" in caught.value.hint
