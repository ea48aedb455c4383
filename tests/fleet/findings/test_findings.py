"""Each finding where it should be, and none on a board that is ready."""

from __future__ import annotations

from typing import Any

import pytest

from bramble.fleet.findings.finding import LEVELS, install
from bramble.fleet.findings.findings import CHECKS, findings
from bramble.fleet.probe.survey import Survey
from fleet.boards import ready

POWER, BOOT_POWER, HOT_NOW, HOT_SINCE = 0x1, 0x10000, 0x8, 0x60000


def told(survey: Survey) -> dict[str, tuple[str, str, str]]:
    """The findings by name: level, what was said, what to do."""
    return {one.name: (one.level, one.said, one.what_to_do) for one in findings(survey)}


def test_a_ready_board() -> None:
    """A board with nothing wrong has no findings."""
    assert findings(ready()) == ()


@pytest.mark.parametrize(
    ("changes", "name", "level", "said", "advice"),
    [
        ({"throttled_bits": POWER | BOOT_POWER}, "under-voltage", "problem", "too low now", "supply"),
        ({"throttled_bits": BOOT_POWER}, "under-voltage-since-boot", "warning", "was too low", "supply"),
        ({"throttled_bits": HOT_NOW}, "throttled", "problem", "it is at its heat limit now", "cool"),
        (
            {"throttled_bits": HOT_SINCE},
            "throttled-since-boot",
            "warning",
            "capped, it was throttled at some time since boot",
            "cool",
        ),
        ({"temp_c": 80.0}, "hot", "warning", "80 °C", "cool"),
        ({"governor": "ondemand, powersave"}, "governor-powersave", "warning", "lowest frequency", "ondemand"),
        ({"clock_skew_s": -150.0}, "clock-skew", "warning", "2 min behind", "timedatectl"),
        ({"clock_skew_s": 7200.0, "systemd": False}, "clock-skew", "warning", "2.0 h ahead", "NTP client"),
        ({"clock_skew_s": -56 * 365.25 * 86_400}, "clock-skew", "problem", "56.0 years behind: pip and TLS", "ntp"),
        ({"disk_free_bytes": 400_000_000}, "low-disk", "warning", "400 MB", "apt clean"),
        ({"disk_free_bytes": 20_000_000}, "low-disk", "problem", "20.0 MB", "apt clean"),
        ({"memory_available_bytes": 100_000_000}, "low-memory", "warning", "100 MB", "stop"),
        ({"memory_available_bytes": 30_000_000}, "low-memory", "problem", "30.0 MB", "stop"),
        ({"root_read_only": True}, "root-read-only", "warning", "read-only", "remount,rw"),
        ({"root_read_only": True, "folder_writable": False}, "root-read-only", "problem", "read-only", "SD card"),
        ({"folder_writable": False}, "folder-not-writable", "problem", "cannot be written by pi", "owns"),
        ({"root_in_memory": True}, "root-in-memory", "warning", "gone after a restart", "raspi-config"),
        ({"swap_on_card": True}, "swap-on-card", "info", "wears", "apt install zram-tools"),
        ({"cameras_busy": ("/dev/video0 is held by vlc",)}, "camera-busy", "warning", "held by vlc", "end that"),
        ({"cameras_denied": ("/dev/video0",)}, "camera-denied", "warning", "/dev/video0", "usermod -aG video pi"),
        ({"systemd": False}, "no-systemd", "warning", "no systemd", "push, verify and bench work"),
        ({"sudo": ""}, "no-sudo", "info", "pi cannot become root", "someone who can"),
    ],
)
def test_one_thing_wrong(changes: dict[str, Any], name: str, level: str, said: str, advice: str) -> None:
    """One thing that is wrong is one finding of that name, with its level and what to do."""
    found = told(ready(**changes))
    assert name in found
    assert set(found) - {"no-systemd"} <= {name}
    assert found[name][0] == level
    assert said in found[name][1]
    assert advice in found[name][2]


@pytest.mark.parametrize(
    "changes",
    [
        {"throttled_bits": None},
        {"temp_c": 79.9},
        {"governor": "powersave", "governor_driver": "intel_pstate"},
        {"governor": "performance"},
        {"clock_skew_s": 120.0},
        {"clock_skew_s": None},
        {"disk_free_bytes": 500_000_000},
        {"disk_free_bytes": None},
        {"memory_available_bytes": 150_000_000},
        {"memory_available_bytes": None},
        {"sudo": "password"},
        {"tools": ()},
        {"machine": "", "userland": "", "libc": "", "libstdcxx": "unknown"},
    ],
)
def test_nothing_wrong(changes: dict[str, Any]) -> None:
    """The last value that is still good, and what a board does not tell, is no finding."""
    assert findings(ready(**changes)) == ()


def test_worst_first() -> None:
    """Problems come before warnings, warnings before mere facts."""
    survey = ready(swap_on_card=True, temp_c=85.0, pythons=(), throttled_bits=POWER)
    levels = [one.level for one in findings(survey)]
    assert levels == ["problem", "problem", "warning", "info"]
    assert levels == sorted(levels, key=LEVELS.index)


def test_every_check_is_asked() -> None:
    """Every public check of the two files is in the list, once."""
    from bramble.fleet.findings import board, python

    written = {
        check
        for module in (board, python)
        for name, check in vars(module).items()
        if not name.startswith("_") and getattr(check, "__annotations__", {}).get("return") == "Iterator[Finding]"
    }
    assert set(CHECKS) == written
    assert len(CHECKS) == len(written)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "sudo apt install python3 python3-venv"),
        ({"sudo": "root"}, "apt install python3 python3-venv"),
        ({"sudo": ""}, "as root: apt install python3 python3-venv"),
        ({"tools": ("apk",)}, "sudo apk add python3"),
        ({"tools": ("dpkg",)}, "sudo apt install python3 python3-venv"),
        ({"tools": ()}, "install python3 with the board's package manager"),
    ],
)
def test_install_line(changes: dict[str, Any], line: str) -> None:
    """The line for the board's own package manager, with the rights its user has."""
    assert install(ready(**changes), "python3 python3-venv", "python3") == line
