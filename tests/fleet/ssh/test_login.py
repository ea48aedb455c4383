"""Who is trusted and who may log in: host keys, user keys, and servers that are none."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bramble.errors import HostKeyError, UnreachableError, UsageError
from bramble.fleet.connect import connect
from bramble.fleet.inventory import save_board
from bramble.fleet.ssh import config as ssh_config
from bramble.fleet.ssh.login import fingerprint, host_key_of, log_in
from bramble.fleet.types import Board
from serving import Server, board_of, fingerprint_of, make_key, speaking

KINDS = [("ed25519",), ("rsa", "-b", "2048"), ("ecdsa", "-b", "256"), ("ecdsa", "-b", "521")]


def open_sockets() -> int:
    """How many sockets this process holds."""
    held = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return sum(str(path.readlink()).startswith("socket:") for path in held if path.is_symlink())


def test_host_key_and_fingerprint(server: Server) -> None:
    """The key a server shows is that of its file, and its fingerprint is what ssh-keygen prints."""
    seen = host_key_of("127.0.0.1", server.port)
    assert seen == server.pinned()
    assert fingerprint(seen) == server.fingerprint()


@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
def test_kinds_of_host_keys(own_server: Server, root: Path, kind: tuple[str, ...], tmp_path: Path) -> None:
    """Every common kind of host key can be pinned and is recognised."""
    own_server.stop()
    own_server.host_key = make_key(tmp_path / "other", "-t", *kind)
    own_server.start()
    assert fingerprint(host_key_of("127.0.0.1", own_server.port)) == own_server.fingerprint()
    with connect(board_of(own_server, root)) as connection:
        assert connection.run(["true"], b"", 30).status == 0


@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
def test_kinds_of_user_keys(own_server: Server, root: Path, kind: tuple[str, ...], tmp_path: Path) -> None:
    """Every common kind of user key can log in."""
    key = make_key(tmp_path / "mine", "-t", *kind)
    (own_server.folder / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
    with connect(board_of(own_server, root, key_file=str(key))) as connection:
        assert connection.run(["true"], b"", 30).status == 0


def test_changed_host_key(own_server: Server, root: Path, tmp_path: Path) -> None:
    """Another host key on the same port: nobody logs in, both fingerprints are shown, exit code 5."""
    board, pinned = board_of(own_server, root), own_server.fingerprint()
    own_server.stop()
    own_server.host_key = make_key(tmp_path / "other")
    own_server.start()
    with pytest.raises(HostKeyError) as caught:
        log_in(board)
    assert f"shows host key {own_server.fingerprint()}, pinned is {pinned}" in caught.value.message
    again = f"bramble board add pi {own_server.user}@127.0.0.1:{own_server.port} --key {own_server.user_key} --python"
    assert again in caught.value.hint
    assert caught.value.hint.endswith(" --force")
    assert caught.value.exit_code == 5
    assert "Accepted" not in (own_server.folder / "log").read_text()


def test_pinned_key_of_another_kind(server: Server, root: Path, tmp_path: Path) -> None:
    """A pinned key of a kind that the server does not have is a changed host key too."""
    other = make_key(tmp_path / "rsa", "-t", "rsa", "-b", "2048")
    pinned = " ".join(other.with_suffix(".pub").read_text().split()[:2])
    with pytest.raises(HostKeyError) as caught:
        log_in(board_of(server, root, host_key=pinned))
    assert server.fingerprint() in caught.value.message
    assert fingerprint_of(other) in caught.value.message


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-dss", ""])
@pytest.mark.parametrize("key", ["", "AAAA", "not base64!", "AAAAC3NzaC1yc2E= more"])
def test_pinned_key_that_is_none(server: Server, root: Path, kind: str, key: str) -> None:
    """A pin that is missing or damaged trusts nobody, and says how to pin the right one."""
    with pytest.raises(HostKeyError, match="pinned host key") as caught:
        log_in(board_of(server, root, host_key=f"{kind} {key}".strip()))
    assert f"bramble board add pi {server.user}@127.0.0.1:{server.port}" in caught.value.hint


@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
def test_stranger(server: Server, root: Path, tmp_path: Path, kind: tuple[str, ...]) -> None:
    """A key that the board does not know is refused, and the hint is the command that would teach it."""
    stranger = make_key(tmp_path / "stranger", "-t", *kind)
    with pytest.raises(UnreachableError, match="refuses the login") as caught:
        log_in(board_of(server, root, key_file=str(stranger)))
    assert caught.value.hint.endswith(f"ssh-copy-id -i {stranger}.pub -p {server.port} {server.user}@127.0.0.1")


def test_no_key_at_all(server: Server, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has neither agent nor keys is told how to get in."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UnreachableError, match="refuses the login") as caught:
        log_in(board_of(server, root, key_file=""))
    assert caught.value.hint.startswith(
        "make a key: ssh-keygen -t ed25519; then put your public key there once: ssh-copy-id -p"
    )


def test_own_keys_are_found(server: Server, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a named key the user's own ~/.ssh/id_ed25519 logs in."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519").write_bytes(server.user_key.read_bytes())
    with connect(board_of(server, root, key_file="")) as connection:
        assert connection.run(["true"], b"", 30).status == 0


def test_agent(server: Server, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a named key the user's ssh-agent logs in."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", tmp_path / "agent"], stdout=subprocess.DEVNULL)
    try:
        while not (tmp_path / "agent").exists():
            time.sleep(0.01)
        subprocess.run(["ssh-add", "-q", server.user_key], check=True)
        with connect(board_of(server, root, key_file="")) as connection:
            assert connection.run(["true"], b"", 30).status == 0
    finally:
        agent.terminate()
        agent.wait(10)


def test_key_with_a_passphrase(server: Server, root: Path, tmp_path: Path) -> None:
    """A key that needs a passphrase is the agent's business: the hint says so, the passphrase is asked nowhere."""
    key = make_key(tmp_path / "locked", "-N", "secret phrase")
    with pytest.raises(UsageError, match="has a passphrase") as caught:
        log_in(board_of(server, root, key_file=str(key)))
    assert f"ssh-add {key}" in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("content", [None, b"", b"garbage\n", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_key_file_that_is_none(server: Server, root: Path, tmp_path: Path, content: bytes | None) -> None:
    """A key file that is not there, or holds no key, is named before anything is sent."""
    key = tmp_path / "no key"
    if content is not None:
        key.write_bytes(content)
    with pytest.raises(UsageError, match="no key is not a private key"):
        log_in(board_of(server, root, key_file=str(key)))


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid", "a..b", "x" * 70])
def test_nobody_there(host: str, root: Path, server: Server) -> None:
    """A port where nothing listens, and names that are none, are unreachable: exit code 5."""
    with socket.socket() as taken:  # bound, not listening: a connection is refused
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for attempt in (lambda: host_key_of(host, port), lambda: log_in(board_of(server, root, host=host, port=port))):
            with pytest.raises(UnreachableError, match="cannot be reached") as caught:
                attempt()
            assert caught.value.exit_code == 5
            assert "Errno" not in caught.value.message


@pytest.mark.parametrize(
    ("greeting", "hold"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", False), (b"", False), (b"SSH-1.0-old\r\n", False), (b"", True)],
    ids=["http", "hangs up", "SSH 1", "silent"],
)
def test_server_that_is_no_ssh(
    greeting: bytes, hold: bool, server: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not speak SSH 2 is given up in time, and leaves no socket behind."""
    monkeypatch.setattr(ssh_config, "CONNECT_S", 0.4)
    with speaking(greeting, hold) as port:
        before = open_sockets()
        with pytest.raises(UnreachableError, match="does not speak SSH"):
            host_key_of("127.0.0.1", port)
        with pytest.raises(UnreachableError, match=f"pi: {server.user}@127.0.0.1:{port}: ."):
            log_in(board_of(server, root, port=port))
        deadline = time.monotonic() + 10
        while open_sockets() > before + 2 and time.monotonic() < deadline:  # two are the server's own ends
            time.sleep(0.05)
        assert open_sockets() <= before + 2


def test_refusals_leave_nothing_open(server: Server, root: Path, tmp_path: Path) -> None:
    """Ten failed logins hold no socket and no thread."""
    stranger = board_of(server, root, key_file=str(make_key(tmp_path / "stranger")))
    changed = replace(stranger, host_key=_public(make_key(tmp_path / "other")))
    sockets, threads = open_sockets(), threading.active_count()
    for board in (stranger, changed) * 5:
        with pytest.raises(UnreachableError):
            log_in(board)
    deadline = time.monotonic() + 10
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.05)
    assert open_sockets() == sockets
    assert threading.active_count() == threads


def test_no_secret_is_shown(server: Server, root: Path, home: Path) -> None:
    """Neither the inventory's file nor a board's repr holds anything of the private key."""
    board = board_of(server, root)
    save_board(board)
    secret = server.user_key.read_text().splitlines()[2]
    assert secret not in (home / "boards.toml").read_text()
    assert secret not in repr(board)


def _public(key: Path) -> str:
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def test_board_type() -> None:
    """The address of a board is what a person types, and this machine has none."""
    assert Board("pi", "h", "u", 2200).address == "u@h:2200"
    assert Board("local").address == "this machine"
