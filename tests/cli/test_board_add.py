"""``bramble board add``: whom to trust, which key to use, what to remember; against a real OpenSSH server."""

from __future__ import annotations

import json
import os
import platform
import pty
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from running import bramble, environment
from serving import Server, fingerprint_of, make_key, public_of, speaking

from .conftest import run


def add(server: Server, *words: str) -> list[str]:
    """The words that add the server as the board ``garden``."""
    address = f"{server.user}@127.0.0.1:{server.port}"
    return ["board", "add", "garden", address, "--key", str(server.user_key), "--python", sys.executable, *words]


@pytest.mark.slow
def test_add_with_the_right_fingerprint(server: Server, home: Path, tmp_path: Path) -> None:
    """With the right fingerprint nobody is asked: the host key is pinned, and the board answers a probe."""
    told = json.loads(run(*add(server, "--fingerprint", server.fingerprint(), "--json"), cwd=tmp_path))
    assert told["host_key"] == server.pinned()
    assert told["facts"]["facts"]["python"] == platform.python_version()
    held = tomllib.loads((home / "boards.toml").read_text())["boards"]["garden"]
    assert (held["host"], held["port"], held["user"]) == ("127.0.0.1", server.port, server.user)
    assert held["host_key"] == server.pinned()
    assert (server.home / ".bramble/agents").is_dir()


@pytest.mark.slow
def test_add_with_a_relative_key(server: Server, home: Path, tmp_path: Path) -> None:
    """A key named from the folder where one stands is found from every other folder too."""
    words = add(server, "--fingerprint", server.fingerprint())
    words[words.index(str(server.user_key))] = server.user_key.name
    run(*words, cwd=server.folder)
    assert json.loads(run("board", "probe", "garden", "--json", cwd=tmp_path))["facts"]


def test_add_with_a_wrong_fingerprint(server: Server, home: Path, tmp_path: Path) -> None:
    """Another fingerprint than the server's is refused with both, and nothing is remembered; exit code 5."""
    wrong = fingerprint_of(make_key(tmp_path / "other"))
    told = run(*add(server, "--fingerprint", wrong), cwd=tmp_path, status=5)
    assert f"shows host key {server.fingerprint()}, not {wrong}" in told
    assert not (home / "boards.toml").exists()


def test_add_unattended(server: Server, home: Path, tmp_path: Path) -> None:
    """A script is not asked: the fingerprint is shown, with the option that accepts it; exit code 5."""
    told = run(*add(server), cwd=tmp_path, status=5)
    assert f"--fingerprint {server.fingerprint()}" in told
    assert not (home / "boards.toml").exists()


@pytest.mark.parametrize(("typed", "status"), [("y\n", 0), ("\n", 5)])
def test_add_at_a_terminal(server: Server, home: Path, tmp_path: Path, typed: str, status: int) -> None:
    """A person sees the fingerprint and decides; without a clear yes nothing is remembered."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "bramble", *add(server)]
    try:
        os.write(ours, typed.encode())
        pipes: dict[str, Any] = {"stdin": theirs, "capture_output": True, "text": True}
        done = subprocess.run(command, cwd=tmp_path, env=environment(), timeout=60, check=False, **pipes)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == status, done.stderr
    assert server.fingerprint() in done.stdout + done.stderr
    assert (home / "boards.toml").exists() == (status == 0)
    if status == 0:
        assert "added garden: " in done.stdout


@pytest.fixture
def ssh_home(server: Server, tmp_path: Path) -> Path:
    """A ~/.ssh whose configuration calls the server ``rose``, with ``known_hosts`` beside it, not there yet."""
    folder = tmp_path / "user/.ssh"
    folder.mkdir(parents=True)
    (folder / "config").write_text(
        f"Host rose\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n"
        f"  IdentityFile {server.user_key}\n  UserKnownHostsFile {folder}/known_hosts\n"
    )
    return folder


@pytest.mark.slow
def test_add_a_host_of_the_configuration(server: Server, ssh_home: Path, home: Path, tmp_path: Path) -> None:
    """A board is added by its name in ~/.ssh/config alone; the key that ssh knows it by is pinned without asking."""
    (ssh_home / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {server.pinned()}\n")
    words = ("board", "add", "garden", "rose", "--python", sys.executable)
    done = bramble(*words, cwd=tmp_path, HOME=str(ssh_home.parent))
    assert done.returncode == 0, done.stderr
    held = tomllib.loads((home / "boards.toml").read_text())["boards"]["garden"]
    assert (held["host"], held["user"], held["port"]) == ("rose", server.user, server.port)
    assert held["host_key"] == server.pinned()
    done = bramble("board", "probe", "garden", "--json", cwd=tmp_path, HOME=str(ssh_home.parent))
    assert json.loads(done.stdout)["facts"]


@pytest.mark.parametrize("marker", ["", "@revoked "])
def test_add_against_known_hosts(server: Server, ssh_home: Path, home: Path, tmp_path: Path, marker: str) -> None:
    """A board that ssh knows by another key, or by one that is revoked, is not added; exit code 5."""
    other = make_key(tmp_path / "other")
    line = f"@revoked * {server.pinned()}" if marker else f"[127.0.0.1]:{server.port} {public_of(other)}"
    (ssh_home / "known_hosts").write_text(f"{line}\n")
    words = ("board", "add", "garden", "rose", "--python", sys.executable)
    done = bramble(*words, cwd=tmp_path, HOME=str(ssh_home.parent))
    assert done.returncode == 5
    assert server.fingerprint() in done.stderr
    assert (fingerprint_of(other) in done.stderr) == (not marker)
    assert not (home / "boards.toml").exists()


@pytest.mark.slow
def test_add_over_a_hop(server: Server, ssh_home: Path, home: Path, tmp_path: Path) -> None:
    """``--jump`` goes over a hop that known_hosts has, and is remembered; an unknown hop is exit code 5."""
    words = [*add(server, "--fingerprint", server.fingerprint()), "--jump", "rose"]
    done = bramble(*words, cwd=tmp_path, HOME=str(ssh_home.parent))
    assert done.returncode == 5
    assert "the hop rose" in done.stderr
    (ssh_home / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {server.pinned()}\n")
    done = bramble(*words, cwd=tmp_path, HOME=str(ssh_home.parent))
    assert done.returncode == 0, done.stderr
    assert tomllib.loads((home / "boards.toml").read_text())["boards"]["garden"]["jump"] == "rose"


def test_add_under_a_bad_name(tmp_path: Path) -> None:
    """A name that no board can have is refused before anybody is called; exit code 2."""
    told = run("board", "add", "local", "pi@127.0.0.1:1", cwd=tmp_path, status=2)
    assert "cannot be a board's name" in told


def test_add_what_is_not_there(home: Path, tmp_path: Path) -> None:
    """A port where nothing listens is unreachable; exit code 5, one message, no noise of the library."""
    told = run("board", "add", "garden", "pi@127.0.0.1:1", cwd=tmp_path, status=5)
    assert told.splitlines()[0].startswith("bramble: 127.0.0.1:1 cannot be reached")
    assert len(told.splitlines()) == 2


def test_add_what_is_no_ssh(tmp_path: Path) -> None:
    """A server that is none is exit code 5 and two lines: the library's threads print no tracebacks."""
    with speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n", hold=False) as port:
        told = run("board", "add", "garden", f"pi@127.0.0.1:{port}", cwd=tmp_path, status=5)
    assert "does not speak SSH" in told
    assert len(told.splitlines()) == 2


def test_add_refused_login(server: Server, home: Path, tmp_path: Path) -> None:
    """A key that the board does not know is not remembered, and ssh-copy-id is named; exit code 5, no noise."""
    words = add(server, "--fingerprint", server.fingerprint())
    words[words.index(str(server.user_key))] = str(make_key(tmp_path / "stranger"))
    told = run(*words, cwd=tmp_path, status=5)
    assert f"ssh-copy-id -i {tmp_path}/stranger.pub -p {server.port} {server.user}@127.0.0.1" in told
    assert len(told.splitlines()) == 2
    assert not (home / "boards.toml").exists()


@pytest.mark.slow
def test_add_does_not_replace(pi: str, home: Path, tmp_path: Path) -> None:
    """A name that is taken is refused before anybody is called, and --force goes on; exit codes 2 and 5."""
    told = run("board", "add", pi, "pi@127.0.0.1:1", cwd=tmp_path, status=2)
    assert "there is a board 'pi' already" in told
    assert "--force" in told
    run("board", "add", pi, "pi@127.0.0.1:1", "--force", cwd=tmp_path, status=5)


def test_add_without_python(server: Server, home: Path, tmp_path: Path) -> None:
    """A board without its Python is remembered, and what is missing is told."""
    words = add(server, "--fingerprint", server.fingerprint(), "--json")
    words[words.index(sys.executable)] = "/no/such/python3"
    done = bramble(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["facts"] is None
    assert "/no/such/python3" in done.stderr
    assert done.stderr.startswith("warning: there is no Python ")
    assert tomllib.loads((home / "boards.toml").read_text())["boards"]["garden"]["python"] == "/no/such/python3"


def test_add_takes_what_a_setup_made(server: Server, home: Path, tmp_path: Path) -> None:
    """A board that was set up before is remembered with that environment, and says so; another Python only if named."""
    ours = server.home / ".bramble/venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ours], check=True)
    (site,) = ours.glob("lib/python3*/site-packages")
    (site / "this.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    words = add(server, "--fingerprint", server.fingerprint(), "--force")
    at = words.index("--python")
    try:
        told = run(*words[:at], *words[at + 2 :], cwd=tmp_path)
        assert f"garden was set up before: {ours}/bin/python is used, which has ai-edge-litert" in told
        known = tomllib.loads((home / "boards.toml").read_text())["boards"]["garden"]
        assert known["python"] == f"{ours}/bin/python"
        assert "was set up before" not in run(*words, cwd=tmp_path)
        assert tomllib.loads((home / "boards.toml").read_text())["boards"]["garden"]["python"] == sys.executable
    finally:
        shutil.rmtree(ours)


def test_add_with_a_key_that_is_not_there(home: Path, tmp_path: Path) -> None:
    """A key file that is not there is told before anybody is called; exit code 2."""
    told = run("board", "add", "garden", "pi@127.0.0.1:1", "--key", "no key", cwd=tmp_path, status=2)
    assert "there is no key file no key" in told
    assert "ssh-keygen -t ed25519 -f 'no key'" in told
