"""The two distributions: one host wheel with three packages, one thin wheel for boards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def build(project: Path, target: Path) -> Path:
    """Build the wheel of the project in a folder, without the network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    return next(target.glob("*.whl"))


def metadata(wheel: zipfile.ZipFile) -> dict[str, list[str]]:
    """The wheel's METADATA, every field as a list."""
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    message = message_from_bytes(wheel.read(name))
    return {key: message.get_all(key, []) for key in set(message.keys())}


def test_host_wheel_holds_three_packages(tmp_path: Path) -> None:
    """The host wheel has the tool, the agent, the zoo with its recipes, the page's template and the console script."""
    with zipfile.ZipFile(build(ROOT, tmp_path)) as wheel:
        names = set(wheel.namelist())
        facts = metadata(wheel)
        scripts = next(name for name in names if name.endswith("entry_points.txt"))
        assert b"bramble = bramble.cli:main" in wheel.read(scripts)
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {
        "bramble",
        "bramble_agent",
        "bramble_zoo",
    }
    wanted = {
        "bramble/report/templates/page.html.j2",
        "bramble/fleet/probe/probe.sh",
        "bramble_zoo/recipes/digits-int8.toml",
        "bramble_agent/__main__.py",
    }
    assert wanted <= names
    assert facts["Requires-Python"] == ["<3.14,>=3.11"]
    assert any(line.startswith("tensorflow") for line in facts["Requires-Dist"])


def test_device_wheel_is_thin(tmp_path: Path) -> None:
    """The device wheel has the agent alone, wants Python 3.9, and numpy is all it cannot do without."""
    with zipfile.ZipFile(build(ROOT / "device", tmp_path)) as wheel:
        names = wheel.namelist()
        facts = metadata(wheel)
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"bramble_agent"}
    assert facts["Requires-Python"] == [">=3.9"]
    assert [line for line in facts["Requires-Dist"] if "extra" not in line] == ["numpy>=1.23"]


@pytest.mark.slow
def test_installed_wheels_run(tmp_path: Path) -> None:
    """Unpacked by pip into empty folders, `python -m bramble` says its version and the agent answers a probe."""
    for project, name, arguments, stdin in (
        (ROOT, "host", ["-m", "bramble", "--version"], ""),
        (ROOT / "device", "device", ["-m", "bramble_agent"], '{"version": 2, "ask": "probe", "body": {}}'),
    ):
        wheel = build(project, tmp_path / name)
        target = tmp_path / f"{name}-site"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)]
        subprocess.run(pip, check=True, capture_output=True)
        environment = {**os.environ, "PYTHONPATH": str(target)}
        done = subprocess.run(
            [sys.executable, *arguments],
            input=stdin,
            cwd=tmp_path,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        shown = json.loads(done.stdout)["answer"]["facts"]["python"] if stdin else done.stdout.split()[0]
        assert shown == (sys.version.split()[0] if stdin else "bramble")
