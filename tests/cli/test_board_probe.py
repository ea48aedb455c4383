"""``bramble board probe`` as a person runs it, against a real OpenSSH server."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import pytest

from running import bramble
from serving import Server

from .conftest import run


@pytest.mark.slow
def test_probe(pi: str, tmp_path: Path) -> None:
    """A probe shows what the board is; with --json the same as data, and what the agent says."""
    told = run("board", "probe", pi, cwd=tmp_path)
    assert platform.release() in told
    assert "ai-edge-litert" in told
    held = json.loads(run("board", "probe", pi, "--json", cwd=tmp_path))
    assert held["facts"]["machine"] == held["survey"]["machine"] == platform.machine()
    assert held["now"]["clock_s"] > 0
    assert [one["path"] for one in held["survey"]["pythons"] if one["named"]] == [sys.executable]
    assert all(set(one) == {"name", "level", "said", "what_to_do"} for one in held["findings"])


def test_probe_leaves_nothing(pi: str, home: Path, tmp_path: Path) -> None:
    """A look for a person puts no agent on the board, nor anything else."""
    run("board", "probe", pi, cwd=tmp_path)
    assert not (home / "far away").exists()


def test_probe_of_several(pi: str, server: Server, home: Path, tmp_path: Path) -> None:
    """Several boards are told by name; one that cannot be reached is told, the others are shown; exit code 5."""
    inventory = home / "boards.toml"
    gone = f'[boards.gone]\nhost = "127.0.0.1"\nuser = "pi"\nport = 1\nhost_key = "{server.pinned()}"\n'
    inventory.write_text(f"{inventory.read_text()}\n{gone}")
    done = bramble("board", "probe", "gone", pi, "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert done.returncode == 5
    assert list(told) == ["gone", pi]
    assert "cannot be reached" in told["gone"]["error"]
    assert "cannot be reached" in done.stderr
    assert told[pi]["facts"]["machine"] == platform.machine()


def test_probe_without_python(pi: str, home: Path, tmp_path: Path) -> None:
    """A board whose Python is not there is looked at all the same: named in the findings, without the agent's facts."""
    inventory = home / "boards.toml"
    inventory.write_text(inventory.read_text().replace(sys.executable, "/no/such/python3"))
    held = json.loads(run("board", "probe", pi, "--json", cwd=tmp_path))
    assert "facts" not in held
    assert held["survey"]["machine"] == platform.machine()
    assert {"python-not-found", "no-python"} & {one["name"] for one in held["findings"]}
    assert "/no/such/python3" in run("board", "probe", pi, cwd=tmp_path)
