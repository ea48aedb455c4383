"""A survey as a person reads it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from bramble.fleet.findings.findings import findings
from bramble.report.survey_table import render_survey
from fleet.boards import interpreter, ready


def shown(width: int = 100, **changes: Any) -> list[str]:
    """The lines of a board's table."""
    out = io.StringIO()
    survey = ready(**changes)
    Console(file=out, width=width, markup=False).print(render_survey("garden · pi@garden:22", survey, findings(survey)))
    return [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]


def test_a_ready_board() -> None:
    """All groups, each fact once, and that nothing is wrong."""
    assert shown(temp_c=48.686, freq_khz=600_000, freq_max_khz=1_800_000, sensors=("rpi_volt", "ina219 (power)")) == [
        "garden · pi@garden:22 · Raspberry Pi 4 Model B Rev 1.4",
        "board    chip         Broadcom BCM2711",
        "         processor    4 × Cortex-A72",
        "         features     asimd",
        "         clock rate   600 of 1800 MHz, governor ondemand",
        "         temperature  48.7 °C",
        "         throttling   none since boot",
        "         memory       3.98 GB, 3.41 GB available",
        "         disk         24.0 GB free",
        "system   name         raspberrypi",
        "         system       Debian GNU/Linux 12 (bookworm)",
        "         built for    arm64 userland, aarch64 kernel 6.6.31+rpt-rpi-v8",
        "         C libraries  glibc 2.36, libstdc++ 3.4.30",
        "         user         pi, sudo without password",
        "         services     systemd",
        "         clock        in step with this machine's",
        "pythons  3.11.2       /usr/bin/python3, numpy 2.1.0, Pillow 11.3.0, ai-edge-litert 2.3.0",
        "devices  camera       none found",
        "         sensors      rpi_volt, ina219 (power)",
        "release  current      none",
        "         previous     none",
        "✓ nothing to complain about",
    ]


def test_findings_with_what_to_do() -> None:
    """Each finding has its mark, name, words and advice; the last line counts them."""
    lines = shown(pythons=(), clock_skew_s=-300.0, temp_c=81.0, swap_on_card=True)
    assert lines[-9:] == [
        "✗ no-python  there is no Python on the board",
        "  → sudo apt install python3 python3-venv",
        "! hot  the processor is at 81 °C",
        "  → cool it: a heat sink or a fan; latencies measured so are not the board's",
        "! clock-skew  its clock is 5 min behind: times in logs and reports do not match",
        "  → sudo timedatectl set-ntp true",
        "· swap-on-card  swap lies on the SD card and wears it",
        "  → sudo apt install zram-tools, and turn the other swap off",
        "1 problem, 2 warnings, 1 note",
    ]
    assert "pythons  none" in lines


@pytest.mark.parametrize("width", [60, 80, 120])
def test_fits_the_terminal(width: int) -> None:
    """Nothing is wider than the terminal, and what is wrapped stays in its column, whole."""
    python = interpreter(
        path="/home/pi/.bramble/environments/venv-3.11/bin/python3", named=True, environment=True, venv=False
    )
    lines = shown(width, pythons=(python,), root_in_memory=True, throttled_bits=0xF000F)
    assert max(map(len, lines)) <= width
    row = next(number for number, line in enumerate(lines) if line.startswith("pythons"))
    rest = [line[22:] for line in lines[row:] if not line.startswith(("devices", " " * 9 + "sensors"))]
    assert "".join("".join(rest).split()).startswith("".join(f"{python.path} (used), environment".split()))


def test_python_that_lacks_everything() -> None:
    """A Python of another size, without NumPy, runtime and venv, says so; the one that is used is marked."""
    bare = interpreter(bits=32, numpy="", pillow="", runtimes=(), venv=False, named=True)
    assert "pythons  3.11.2       /usr/bin/python3 (used), 32 bit, no numpy, no runtime, no venv" in shown(
        pythons=(bare,)
    )


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (0x50005, "under-voltage now, throttled now"),
        (0x50000, "under-voltage since boot, throttled since boot"),
        (0x80002, "capped now, heat limit since boot"),
    ],
)
def test_throttling(bits: int, words: str) -> None:
    """The bits in words: what is now is not said again of the time since boot."""
    assert f"         throttling   {words}" in shown(throttled_bits=bits)


def test_what_is_not_known_is_not_shown() -> None:
    """A board that tells little has few rows, and no None among them."""
    lines = shown(
        soc="", cpu="", cpu_features=(), governor="", throttled_bits=None, memory_bytes=None, clock_skew_s=None
    )
    assert not any("None" in line for line in lines)
    assert not any(line.split()[0] in ("chip", "throttling", "clock") for line in lines)


@pytest.mark.parametrize(
    ("skew", "words"),
    [
        (1.9, "in step with this machine's"),
        (-2.5, "2.5 s behind this machine's"),
        (90.0, "2 min ahead of this machine's"),
    ],
)
def test_clock(skew: float, words: str) -> None:
    """Seconds are within what asking takes; more is told with its direction."""
    assert f"         clock        {words}" in shown(clock_skew_s=skew)
