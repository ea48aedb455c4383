"""``bramble board probe`` as a person runs it, against a real OpenSSH server."""

from __future__ import annotations

import json
import platform
import re
import sys
from pathlib import Path

import pytest

from bramble_agent.wire import Budget
from making import bundle_digest, make_bundle
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


@pytest.mark.slow
def test_probe_without_python(pi: str, home: Path, tmp_path: Path) -> None:
    """A board whose Python is not there is looked at all the same: named in the findings, without the agent's facts."""
    inventory = home / "boards.toml"
    inventory.write_text(inventory.read_text().replace(sys.executable, "/no/such/python3"))
    held = json.loads(run("board", "probe", pi, "--json", cwd=tmp_path))
    assert "facts" not in held
    assert held["survey"]["machine"] == platform.machine()
    assert {"python-not-found", "no-python"} & {one["name"] for one in held["findings"]}
    assert "/no/such/python3" in run("board", "probe", pi, cwd=tmp_path)


@pytest.mark.slow
def test_probe_by_address(pi: str, server: Server, tmp_path: Path) -> None:
    """A board is probed by its address too; one that nobody pinned is refused with the command that adds it."""
    told = run("board", "probe", f"{server.user}@127.0.0.1:{server.port}", cwd=tmp_path)
    assert f"pi · {server.user}@127.0.0.1:{server.port}" in told
    told = run("board", "probe", f"other@127.0.0.1:{server.port}", cwd=tmp_path, status=5)
    assert f"bramble board add 127.0.0.1 other@127.0.0.1:{server.port} --fingerprint {server.fingerprint()}" in told


@pytest.mark.slow
def test_probe_tells_what_is_current(pi: str, tmp_path: Path) -> None:
    """A probe shows the current and the previous release by name and short digest, in words and as data."""
    bundle = make_bundle(tmp_path / "bundle")
    told = run("board", "probe", pi, cwd=tmp_path)
    assert re.search(r"release +current +none *\n +previous +none", told)
    run("push", bundle, pi, cwd=tmp_path)
    other = make_bundle(tmp_path / "other", budget=Budget(size_bytes=100_000))
    run("push", other, pi, cwd=tmp_path)
    told = run("board", "probe", pi, cwd=tmp_path)
    assert re.search(rf"current +tiny-int8 {bundle_digest(other)[:12]} *\n", told)
    assert re.search(rf"previous +tiny-int8 {bundle_digest(bundle)[:12]} *\n", told)
    assert json.loads(run("board", "probe", pi, "--json", cwd=tmp_path))["survey"]["current"].endswith(
        bundle_digest(other)[:12]
    )
