"""The agent's zip: the same bytes each time, named by them, and runnable by a bare Python."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import bramble_agent
from bramble.fleet.agent_zip import agent_zip
from bramble_agent.wire import WIRE_VERSION

SOURCE = Path(bramble_agent.__file__).parent


def test_named_by_its_sha256() -> None:
    """The digest is the sha256 of the bytes."""
    packed = agent_zip()
    assert packed.digest == hashlib.sha256(packed.data).hexdigest()


def test_reproducible() -> None:
    """Another process, in another time zone and with another hash seed, packs the same bytes."""
    code = "from bramble.fleet.agent_zip import agent_zip; print(agent_zip().digest)"
    env = {**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    told = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout
    assert told.strip() == agent_zip().digest


def test_holds_the_sources_and_nothing_else() -> None:
    """Every module of the agent is in it byte for byte, with the earliest date a zip can say, and nothing else."""
    with zipfile.ZipFile(io.BytesIO(agent_zip().data)) as archive:
        assert archive.testzip() is None
        held = {name: archive.read(name) for name in archive.namelist()}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert held.pop("__main__.py").startswith(b"import sys")
    assert held == {f"bramble_agent/{path.name}": path.read_bytes() for path in SOURCE.glob("*.py")}


def test_small() -> None:
    """It is small enough to send over a slow radio link: below 60 KB."""
    assert len(agent_zip().data) < 60_000


def test_runs_without_packages(tmp_path: Path) -> None:
    """A Python with nothing but its standard library answers a probe from the zip alone."""
    (tmp_path / "agent.zip").write_bytes(agent_zip().data)
    request = json.dumps({"version": WIRE_VERSION, "ask": "probe", "body": {"root": str(tmp_path)}})
    command = [sys.executable, "-I", "-S", str(tmp_path / "agent.zip")]
    done = subprocess.run(command, input=request, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["version"] == WIRE_VERSION
    assert answer["answer"]["facts"]["cores"] == os.cpu_count()
