"""The unit's text, word by word, and what could break out of it."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from bramble.fleet.camera.unit import Unit, quoted, unit_name, unit_text

GOLDEN = Path(__file__).with_name("golden")
USER = Unit(
    name="camera",
    board="pi",
    command=("/home/pi/.bramble/venv/bin/python", "/home/pi/.bramble/agents/ab.zip", "--camera", "/home/pi/c.json"),
    start="/home/pi",
    root="/home/pi/.bramble",
)
SYSTEM = dataclasses.replace(
    USER, name="door", user="pi", writable=("/var/log/my events",), memory="300M", cpu=80, board="50% pi"
)


@pytest.mark.parametrize(("unit", "name"), [(USER, "user"), (SYSTEM, "system")])
def test_golden(unit: Unit, name: str) -> None:
    """A user's service and the system's; a change of either must be meant."""
    assert unit_text(unit) == (GOLDEN / f"{name}.service").read_text()


def test_without_namespaces() -> None:
    """Where users may make none, nothing that needs one is asked for: the service would not start."""
    lines = unit_text(dataclasses.replace(USER, namespaces=False)).splitlines()
    assert not [line for line in lines if line.startswith(("Protect", "Private", "ReadWrite", "CapabilityBounding"))]
    assert "NoNewPrivileges=yes" in lines
    whole = unit_text(dataclasses.replace(SYSTEM, namespaces=False))
    assert whole == unit_text(SYSTEM)  # the system's manager needs no leave


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ("100%", "100%%"),
        ("$HOME", "$$HOME"),
        ('say "hi"\n', '"say \\"hi\\"\\n"'),
        ("back\\slash", '"back\\\\slash"'),
        ("", '""'),
        ("même", "même"),
    ],
)
def test_quoted(word: str, expected: str) -> None:
    """As systemd.syntax(7) has it."""
    assert quoted(word) == expected


def test_name() -> None:
    """One unit a loop."""
    assert unit_name("door") == "bramble-door.service"


@pytest.mark.parametrize("name", ["user", "system"])
def test_systemd_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    """Every setting is one that systemd knows, by its own check."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: apt install systemd")
    unit = tmp_path / "bramble-camera.service"
    text = (GOLDEN / f"{name}.service").read_text()
    unit.write_text(
        "".join(line for line in text.splitlines(True) if not line.startswith(("ExecStart=", "User="))) + ""
    )
    unit.write_text(unit.read_text().replace("[Service]\n", "[Service]\nExecStart=/bin/true\n"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "bramble-camera.service" in line]
    assert not [line for line in said if "Unknown" in line or "Invalid" in line or "Failed to parse" in line], said
