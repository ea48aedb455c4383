"""``bramble board setup`` as a person runs it, against a real OpenSSH server, with wheels from a folder."""

from __future__ import annotations

import json
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from making import make_bundle
from running import bramble
from serving import Server

from .conftest import Failed


@pytest.fixture
def pi(server: Server, home: Path) -> str:
    """The server, already in the inventory as ``pi``, with a Python that has no TFLite runtime."""
    home.mkdir(parents=True)
    bare = home / "bare/bin/python"
    bare.parent.mkdir(parents=True)
    bare.symlink_to(Path(sys.executable).resolve())
    (home / "bare/pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    settings = {
        "host": "127.0.0.1",
        "user": server.user,
        "host_key": server.pinned(),
        "key_file": str(server.user_key),
        "python": str(bare),
        "root": str(home / "far away"),
    }
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    (home / "boards.toml").write_text(f"[boards.pi]\nport = {server.port}\n{lines}")
    return "pi"


@pytest.mark.slow
def test_from_blank_to_ready(pi: str, home: Path, wheels: Path, work: Path, failed: Failed) -> None:
    """A deploy to a blank board names the command, which makes it ready; again it does nothing; the deploy works."""
    bundle = make_bundle(work / "bundle")
    assert f"bramble board setup {pi}" in failed(bramble("push", bundle, pi, cwd=work), 6)

    done = bramble("board", "setup", pi, "--wheels", wheels, cwd=work)
    assert done.returncode == 0, done.stderr
    runtime = f"ai-edge-litert {version('ai-edge-litert')}"
    assert done.stdout.startswith(f"ready: pi runs {runtime} with numpy {version('numpy')} (")
    assert done.stdout.endswith(" MB sent)\n")
    assert done.stderr.count("\n") == 7
    python = f"{home}/far away/venv/bin/python"
    assert tomllib.loads((home / "boards.toml").read_text())["boards"]["pi"]["python"] == python

    again = json.loads(bramble("board", "setup", pi, "--wheels", wheels, "--json", cwd=work).stdout)
    assert again == {
        "board": "pi",
        "python": python,
        "runtime": runtime,
        "numpy": version("numpy"),
        "sent_bytes": 0,
        "changed": False,
    }
    assert bramble("push", bundle, pi, cwd=work).returncode == 0


def test_this_machine(work: Path, failed: Failed) -> None:
    """This machine needs no setup: said kindly, with what would; exit code 2."""
    assert "needs no setup" in failed(bramble("board", "setup", "local", cwd=work), 2)


def test_another_runtime(pi: str, work: Path, failed: Failed) -> None:
    """A runtime that there is not is refused with those that there are; exit code 2."""
    assert "ai-edge-litert, tflite-runtime" in failed(bramble("board", "setup", pi, "--runtime", "onnx", cwd=work), 2)


def test_no_such_folder(pi: str, work: Path, failed: Failed) -> None:
    """A folder of wheels that is not there is said before the board is touched; exit code 2."""
    assert "has no wheels" in failed(bramble("board", "setup", pi, "--wheels", "nowhere", cwd=work), 2)
