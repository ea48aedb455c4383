"""The inventory's other verbs, and the verbs that use a board, as a person runs them, against a real OpenSSH server."""

from __future__ import annotations

import json
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from making import bundle_digest, make_bundle
from running import bramble
from serving import Server, fingerprint_of, make_key

from .conftest import run

KEYS = {  # what the architecture promises to scripts
    "version",
    "recipe",
    "bundle",
    "board",
    "verdict",
    "budget",
    "accuracy",
    "size",
    "parameters",
    "macs",
    "stages",
    "latency",
    "memory",
    "energy",
    "verify",
    "conditions",
    "warnings",
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A tiny bundle without a budget."""
    return make_bundle(tmp_path / "bundle")


def test_list(pi: str, tmp_path: Path) -> None:
    """The list has this machine first, then the boards, as a table and as JSON."""
    table = run("board", "list", cwd=tmp_path).splitlines()
    assert [line.split()[0] for line in table] == ["board", "local", "pi"]
    assert list(json.loads(run("board", "list", "--json", cwd=tmp_path))) == ["local", "pi"]


def test_list_is_narrow(pi: str, server: Server, tmp_path: Path) -> None:
    """The table shows the beginning of a fingerprint, and no line is wider than a plain terminal."""
    told = run("board", "list", cwd=tmp_path)
    assert server.fingerprint()[:14] in told
    assert server.fingerprint() not in told
    assert max(map(len, told.splitlines())) <= 80
    assert json.loads(run("board", "list", "--json", cwd=tmp_path))["pi"]["key_file"] == str(server.user_key)


def test_list_names_what_a_setup_made(pi: str, home: Path, tmp_path: Path) -> None:
    """The environment of a setup is not shown as a path."""
    inventory = home / "boards.toml"
    inventory.write_text(inventory.read_text().replace(sys.executable, "/home/pi/.bramble/venv/bin/python"))
    assert "set up" in run("board", "list", cwd=tmp_path).splitlines()[2]


def test_remove(pi: str, home: Path, tmp_path: Path) -> None:
    """A removed board is forgotten; ``local`` cannot be, exit code 2."""
    assert run("board", "remove", pi, cwd=tmp_path) == "removed pi\n"
    assert "pi" not in (home / "boards.toml").read_text()
    assert "always there" in run("board", "remove", "local", cwd=tmp_path, status=2)


@pytest.mark.parametrize("words", [["board", "probe", "pi2"], ["deploy", "bundle", "pi2"]])
def test_unknown_board(pi: str, bundle: Path, tmp_path: Path, words: list[str]) -> None:
    """A board that nobody knows is answered with the nearest that is known; exit code 2."""
    assert "there is no board 'pi2'; did you mean 'pi'?" in run(*words, cwd=tmp_path, status=2)


def test_changed_host_key(pi: str, home: Path, server: Server, tmp_path: Path) -> None:
    """A board with another host key than the pinned one is not talked to; exit code 5, both fingerprints."""
    other = make_key(tmp_path / "other")
    inventory = home / "boards.toml"
    public = " ".join(other.with_suffix(".pub").read_text().split()[:2])
    inventory.write_text(inventory.read_text().replace(server.pinned(), public))
    told = run("board", "probe", pi, cwd=tmp_path, status=5)
    assert server.fingerprint() in told
    assert fingerprint_of(other) in told
    assert len(told.splitlines()) == 2
    words = shlex.split(told[told.index("bramble board add") :])
    assert words[3:7] == [pi, f"{server.user}@127.0.0.1:{server.port}", "--key", str(server.user_key)]
    assert words[-1] == "--force"
    run(*words[1:], "--fingerprint", server.fingerprint(), cwd=tmp_path)
    assert tomllib.loads(inventory.read_text())["boards"][pi]["host_key"] == server.pinned()


def test_push(pi: str, bundle: Path, home: Path, tmp_path: Path) -> None:
    """A push makes the release current; the next one sends nothing."""
    first: dict[str, Any] = json.loads(run("push", bundle, pi, "--json", cwd=tmp_path))[pi]
    assert Path(first["release"]) == home / "far away/releases" / bundle_digest(bundle)
    assert first["sent_bytes"] > 0
    assert "was there already" in run("push", bundle, pi, cwd=tmp_path)
    assert (home / "far away/current").resolve() == Path(first["release"])


@pytest.mark.slow
def test_verify(pi: str, bundle: Path, tmp_path: Path) -> None:
    """Two boards are asked, one after the other, and both agree."""
    told = json.loads(run("verify", bundle, pi, "local", "--json", cwd=tmp_path))
    assert list(told) == [pi, "local"]
    assert all(answer["ok"] and answer["max_lsb"] == 0 for answer in told.values())


def test_verify_that_differs(pi: str, tmp_path: Path) -> None:
    """A board whose answers differ from the bundle's is exit code 3."""
    from making import make_golden

    arrays = make_golden()
    arrays["output_0"][0, 0] += 3
    path = make_bundle(tmp_path / "off", arrays=arrays)
    done = bramble("verify", path, pi, cwd=tmp_path)
    assert done.returncode == 3
    assert "pi: DIFFERS, 4 answers, off by 3 LSB" in done.stdout


@pytest.mark.parametrize("verb", ["deploy", pytest.param("bench", marks=pytest.mark.slow)])
def test_one_json_document(pi: str, bundle: Path, tmp_path: Path, verb: str) -> None:
    """Stdout is one JSON document with the keys that scripts rely on, for the board that was named."""
    report = json.loads(run(verb, bundle, pi, "--profile", "quick", "--json", cwd=tmp_path))
    assert KEYS - set(report) == set()
    assert report["version"] == 1
    assert report["bundle"] == bundle_digest(bundle)
    assert report["board"]["name"] == pi
    assert report["verdict"] == "pass"
    assert report["verify"]["max_lsb"] == 0
    assert len(report["latency"]["samples_ns"]) >= 64
    (kept,) = (tmp_path / "runs").rglob("report.json")
    assert json.loads(kept.read_text()) == report


@pytest.mark.slow
def test_board_without_python(pi: str, home: Path, bundle: Path, tmp_path: Path) -> None:
    """A board without Python is incompatible, and apt is named; exit code 6."""
    inventory = home / "boards.toml"
    inventory.write_text(inventory.read_text().replace(sys.executable, "/no/such/python3"))
    assert "apt install python3" in run("deploy", bundle, pi, cwd=tmp_path, status=6)
