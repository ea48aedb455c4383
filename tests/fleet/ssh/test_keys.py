"""The user's keys: which are tried in which order, passphrases, agents, certificates; and that none of it is shown."""

from __future__ import annotations

import getpass
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from bramble.errors import BrambleError, UnreachableError, UsageError
from bramble.fleet.connect import connect
from bramble.fleet.ssh import keys
from bramble.fleet.ssh.login import log_in
from bramble.fleet.types import Board
from serving import Server, board_of, make_key, public_of, serving, ssh_agent

PHRASE = "open sesame 4711"
LOCKED = [
    ("-t", "ed25519"),
    ("-t", "rsa", "-b", "2048"),
    ("-t", "ecdsa", "-b", "384"),
    ("-t", "rsa", "-b", "2048", "-m", "PEM"),
]


class Person:
    """Who sits at the terminal; counts how often they are asked."""

    def __init__(self, types: str) -> None:
        self.types, self.asked = types, 0

    def __call__(self, prompt: str) -> str:
        """Answer a prompt."""
        assert prompt.startswith("Passphrase for ")
        self.asked += 1
        return self.types


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """A person at a terminal who knows the passphrase."""
    present = Person(PHRASE)
    monkeypatch.setattr(getpass, "getpass", present)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    keys._unlocked.cache_clear()
    yield present
    keys._unlocked.cache_clear()


def trust(server: Server, *keys: Path) -> None:
    """Let these keys, and no others, log in."""
    (server.folder / "authorized_keys").write_text("".join(key.with_suffix(".pub").read_text() for key in keys))


def greet(board: Board) -> bytes:
    """What a command on the board says."""
    with connect(board) as connection:
        return connection.run(["cat"], b"hello", 30).stdout


@pytest.mark.parametrize("kind", LOCKED, ids=" ".join)
def test_passphrase_is_asked_once(
    own_server: Server, root: Path, tmp_path: Path, person: Person, kind: tuple[str, ...]
) -> None:
    """At a terminal the passphrase is asked for once for all connections, for every kind of key."""
    key = make_key(tmp_path / "locked", *kind, "-N", PHRASE)
    trust(own_server, key)
    for _ in range(2):
        assert greet(board_of(own_server, root, key_file=str(key))) == b"hello"
    assert person.asked == 1


def test_wrong_passphrase(server: Server, root: Path, tmp_path: Path, person: Person) -> None:
    """A wrong passphrase is an error of use, and the next attempt may ask again."""
    key = make_key(tmp_path / "locked", "-N", PHRASE)
    person.types = "swordfish"
    for _ in range(2):
        with pytest.raises(UsageError, match="does not open") as caught:
            log_in(board_of(server, root, key_file=str(key)))
        assert f"ssh-add {key}" in caught.value.hint
    assert person.asked == 2


def test_agent_spares_the_passphrase(own_server: Server, root: Path, tmp_path: Path, person: Person) -> None:
    """A named key that the agent holds is not opened: nobody is asked."""
    key = make_key(tmp_path / "locked", "-N", PHRASE)
    trust(own_server, key)
    with ssh_agent(tmp_path / "agent"):
        os.environ["SSH_ASKPASS_REQUIRE"] = "force"
        asker = tmp_path / "ask"
        asker.write_text(f"#!/bin/sh\necho '{PHRASE}'\n")
        asker.chmod(0o700)
        subprocess.run(["ssh-add", "-q", key], check=True, env={**os.environ, "SSH_ASKPASS": str(asker)})
        assert greet(board_of(own_server, root, key_file=str(key))) == b"hello"
    assert person.asked == 0


def test_usual_key_that_is_locked(server: Server, root: Path, ssh_home: Path) -> None:
    """Without a terminal a usual key with a passphrase is passed over, and the refusal says so and how to help it."""
    make_key(ssh_home / "id_ed25519", "-N", PHRASE)
    with pytest.raises(UnreachableError, match="id_ed25519 has a passphrase") as caught:
        log_in(board_of(server, root, key_file=""))
    assert caught.value.hint.startswith("ssh-add")


def test_configured_keys_come_in_order(server: Server, root: Path, ssh_home: Path, tmp_path: Path) -> None:
    """Key files of ~/.ssh/config are tried one after the other; what is missing or no key is passed over."""
    (tmp_path / "rubbish").write_text("no key")
    stranger = make_key(tmp_path / "stranger")
    (ssh_home / "config").write_text(
        f"Host *\n  IdentityFile {tmp_path}/missing\n  IdentityFile {tmp_path}/rubbish\n"
        f"  IdentityFile {stranger}\n  IdentityFile {server.user_key}\n"
    )
    assert greet(board_of(server, root, key_file="")) == b"hello"


def test_identities_only(own_server: Server, root: Path, ssh_home: Path, tmp_path: Path) -> None:
    """IdentitiesOnly keeps the agent's other keys back; the named one may be the agent's, by its public half."""
    other = make_key(tmp_path / "other")
    config = ssh_home / "config"
    with ssh_agent(tmp_path / "agent"):
        subprocess.run(["ssh-add", "-q", own_server.user_key, other], check=True)
        config.write_text(f"Host *\n  IdentitiesOnly yes\n  IdentityFile {other}.pub\n")
        with pytest.raises(UnreachableError, match="1 key refused"):
            log_in(board_of(own_server, root, key_file=""))
        trust(own_server, other)
        assert greet(board_of(own_server, root, key_file="")) == b"hello"


def test_too_many_keys(own_server: Server, root: Path, tmp_path: Path) -> None:
    """A server that hangs up after too many keys is told as that, not as a broken link."""
    own_server.stop()
    own_server.start(extra="MaxAuthTries 2")
    with ssh_agent(tmp_path / "agent"):
        for number in range(5):
            subprocess.run(["ssh-add", "-q", make_key(tmp_path / f"key{number}")], check=True)
        with pytest.raises(UnreachableError, match=r"refuses the login: it hung up after \d keys"):
            log_in(board_of(own_server, root, key_file=""))


def test_key_is_not_enough(own_server: Server, root: Path) -> None:
    """A server that asks for a password as well is named as such."""
    own_server.stop()
    own_server.start(first="PasswordAuthentication yes\nAuthenticationMethods publickey,password")
    with pytest.raises(UnreachableError, match="a key is not enough, it also asks for: password"):
        log_in(board_of(own_server, root))


def test_server_that_takes_no_keys(own_server: Server, root: Path) -> None:
    """A server that takes passwords only is named as such."""
    own_server.stop()
    own_server.start(first="PasswordAuthentication yes\nAuthenticationMethods password")
    with pytest.raises(UnreachableError, match=r"refuses the login: .*password"):
        log_in(board_of(own_server, root))


def test_certificate(tmp_path: Path, root: Path) -> None:
    """A key whose certificate lies beside it logs in where only its authority is trusted."""
    with serving(tmp_path / "sshd") as server:
        authority = make_key(tmp_path / "authority")
        key = make_key(tmp_path / "mine")
        subprocess.run(
            ["ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", server.user, key.with_suffix(".pub")], check=True
        )
        (server.folder / "authorized_keys").write_text(f"cert-authority {authority.with_suffix('.pub').read_text()}")
        assert greet(board_of(server, root, key_file=str(key))) == b"hello"


@pytest.mark.parametrize("pinned", ["ed25519", "rsa", "ecdsa"])
def test_server_with_several_host_keys(tmp_path: Path, root: Path, pinned: str) -> None:
    """Whichever of a server's keys is pinned, that one is asked for and recognised."""
    keys = {kind: make_key(tmp_path / kind, "-t", kind) for kind in ("ed25519", "rsa", "ecdsa")}
    with serving(tmp_path / "sshd", more_host_keys=tuple(keys.values())) as server:
        assert greet(board_of(server, root, host_key=public_of(keys[pinned]))) == b"hello"


# ---- secrets ---------------------------------------------------------------------------------------------------


def secrets_of(key: Path) -> list[str]:
    """What must be seen nowhere: the passphrases, and every line of the private key."""
    return [PHRASE, "swordfish", *key.read_text().splitlines()[1:-1]]


@pytest.mark.parametrize("types", [PHRASE, "swordfish"])
def test_no_secret_in_logs_and_errors(
    server: Server, root: Path, tmp_path: Path, person: Person, caplog: pytest.LogCaptureFixture, types: str
) -> None:
    """Failed logins with everything logged: no passphrase, nothing of a key, in no log, error, traceback, argument."""
    caplog.set_level(logging.DEBUG)
    for name in ("paramiko", "paramiko.transport"):  # a library of another test may have silenced them
        logging.getLogger(name).disabled = False
        caplog.set_level(logging.DEBUG, name)
    person.types = types
    key = make_key(tmp_path / "locked", "-N", PHRASE)
    with pytest.raises(BrambleError) as caught:
        log_in(board_of(server, root, key_file=str(key)))
    error: BaseException | None = caught.value
    shown = [caplog.text, "".join(traceback.format_exception(caught.value)), caught.value.hint, str(sys.argv)]
    while error is not None:
        shown += [repr(error), str(error.args)]
        error = error.__cause__ or error.__context__
    shown += [path.read_bytes().replace(b"\0", b" ").decode(errors="replace") for path in cmdlines()]
    shown.append((server.folder / "log").read_text())
    found = [secret for secret in secrets_of(key) for text in shown if secret in text]
    assert not found
    assert "paramiko" in caplog.text  # that log was looked at


def cmdlines() -> list[Path]:
    """The command lines of this process and its children."""
    return [Path("/proc/self/cmdline"), *Path("/proc/self/task").glob("*/cmdline")]
