"""``bramble board`` and the verbs that use a board, as a person runs them, against a real OpenSSH server."""

from __future__ import annotations

import json
import os
import platform
import pty
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bramble_agent.wire import Budget
from making import bundle_digest, make_bundle
from running import bramble, environment
from serving import Server, fingerprint_of, make_key, public_of, serving, speaking

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


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A tiny bundle without a budget."""
    return make_bundle(tmp_path / "bundle")


def add(server: Server, *words: str) -> list[str]:
    """The words that add the server as the board ``garden``."""
    address = f"{server.user}@127.0.0.1:{server.port}"
    return ["board", "add", "garden", address, "--key", str(server.user_key), "--python", sys.executable, *words]


def run(*words: str | Path, cwd: Path, status: int = 0) -> str:
    """Run Bramble; its exit code must be ``status``, and no failure may show a traceback. Gives stdout."""
    done = bramble(*words, cwd=cwd)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr


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


def test_add_does_not_replace(pi: str, home: Path, tmp_path: Path) -> None:
    """A name that is taken is refused before anybody is called, and --force goes on; exit codes 2 and 5."""
    told = run("board", "add", pi, "pi@127.0.0.1:1", cwd=tmp_path, status=2)
    assert "there is a board 'pi' already" in told
    assert "--force" in told
    run("board", "add", pi, "pi@127.0.0.1:1", "--force", cwd=tmp_path, status=5)


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


def test_probe_by_address(pi: str, server: Server, tmp_path: Path) -> None:
    """A board is probed by its address too; one that nobody pinned is refused with the command that adds it."""
    told = run("board", "probe", f"{server.user}@127.0.0.1:{server.port}", cwd=tmp_path)
    assert f"pi · {server.user}@127.0.0.1:{server.port}" in told
    told = run("board", "probe", f"other@127.0.0.1:{server.port}", cwd=tmp_path, status=5)
    assert f"bramble board add 127.0.0.1 other@127.0.0.1:{server.port} --fingerprint {server.fingerprint()}" in told


def test_probe_tells_what_is_current(pi: str, bundle: Path, tmp_path: Path) -> None:
    """A probe shows the current and the previous release by name and short digest, in words and as data."""
    told = run("board", "probe", pi, cwd=tmp_path)
    assert re.search(r"releases +current +none *\n +previous +none", told)
    run("push", bundle, pi, cwd=tmp_path)
    other = make_bundle(tmp_path / "other", budget=Budget(size_bytes=100_000))
    run("push", other, pi, cwd=tmp_path)
    told = run("board", "probe", pi, cwd=tmp_path)
    assert re.search(rf"current +tiny-int8 {bundle_digest(other)[:12]} *\n", told)
    assert re.search(rf"previous +tiny-int8 {bundle_digest(bundle)[:12]} *\n", told)
    assert json.loads(run("board", "probe", pi, "--json", cwd=tmp_path))["survey"]["current"].endswith(
        bundle_digest(other)[:12]
    )


def test_push(pi: str, bundle: Path, home: Path, tmp_path: Path) -> None:
    """A push makes the release current; the next one sends nothing."""
    first: dict[str, Any] = json.loads(run("push", bundle, pi, "--json", cwd=tmp_path))[pi]
    assert Path(first["release"]) == home / "far away/releases" / bundle_digest(bundle)
    assert first["sent_bytes"] > 0
    assert "was there already" in run("push", bundle, pi, cwd=tmp_path)
    assert (home / "far away/current").resolve() == Path(first["release"])


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


def test_board_without_python(pi: str, home: Path, bundle: Path, tmp_path: Path) -> None:
    """A board without Python is incompatible, and apt is named; exit code 6."""
    inventory = home / "boards.toml"
    inventory.write_text(inventory.read_text().replace(sys.executable, "/no/such/python3"))
    assert "apt install python3" in run("deploy", bundle, pi, cwd=tmp_path, status=6)
