"""What the tests of the command line share: a folder to work in, a finished run in it, a board, how a failure looks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from running import Run, bramble
from serving import Server, serving

Failed = Callable[[subprocess.CompletedProcess[str], int], str]


def run(*words: str | Path, cwd: Path, status: int = 0) -> str:
    """Run Bramble; its exit code must be ``status``, and no failure may show a traceback. Gives stdout."""
    done = bramble(*words, cwd=cwd)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """An empty folder to run the command in."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def runs(one_epoch: Run, work: Path) -> Path:
    """The run of one epoch as it lies in ./runs, the test's own copy."""
    for folder in (one_epoch.runs / ".artifacts", one_epoch.built.folder):
        shutil.copytree(folder, work / "runs" / folder.relative_to(one_epoch.runs))
    return work / "runs"


@pytest.fixture
def failed() -> Failed:
    """``failed(done, code)`` checks that a command failed in one piece with that exit code, and gives what it said."""

    def said(done: subprocess.CompletedProcess[str], code: int) -> str:
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.count("bramble: ") == 1
        return done.stderr

    return said


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running OpenSSH server."""
    with serving(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def pi(server: Server, home: Path) -> str:
    """The server, already in the inventory as ``pi``; its root is below the server's home."""
    home.mkdir(parents=True)
    settings = {
        "host": "127.0.0.1",
        "user": server.user,
        "host_key": server.pinned(),
        "key_file": str(server.user_key),
        "python": sys.executable,
        "root": str(home / "far away"),
    }
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    (home / "boards.toml").write_text(f"[boards.pi]\nport = {server.port}\n{lines}")
    return "pi"
