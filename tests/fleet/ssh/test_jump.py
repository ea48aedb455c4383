"""Boards behind others: ProxyJump and ProxyCommand, and hops that nobody vouches for."""

from __future__ import annotations

import ipaddress
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bramble.errors import HostKeyError, UnreachableError, UsageError
from bramble.fleet.connect import connect
from bramble.fleet.ssh.login import host_key_of, log_in
from bramble.fleet.types import Board
from serving import Server, board_of, make_key, serving

HOST = """
Host {alias}
    HostName 127.0.0.1
    Port {server.port}
    User {server.user}
    IdentityFile {server.user_key}
    {more}
"""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another server, as the hop."""
    with serving(tmp_path_factory.mktemp("gate")) as running:
        yield running


@pytest.fixture
def known(ssh_home: Path, gate: Server, server: Server) -> Path:
    """The user's configuration with ``gate`` and, behind it, ``inner``; known_hosts knows both."""
    (ssh_home / "config").write_text(
        HOST.format(alias="gate", server=gate, more="")
        + HOST.format(alias="inner", server=server, more="ProxyJump gate")
    )
    path = ssh_home / "known_hosts"
    path.write_text(
        f"[127.0.0.1]:{gate.port} {gate.pinned()}\n[127.0.0.1]:{server.port} {server.pinned()}\n", encoding="utf-8"
    )
    return path


def greet(board: Board) -> bytes:
    """What a command on the board says."""
    with connect(board) as connection:
        return connection.run(["cat"], b"hello", 30).stdout


@pytest.mark.parametrize(
    "jump", ["gate", "inner", "gate,inner", "{user}@127.0.0.1:{port}", "ssh://{user}@127.0.0.1:{port}"]
)
def test_hops(known: Path, gate: Server, server: Server, root: Path, jump: str) -> None:
    """One hop or several, by name or by address: commands and files arrive."""
    with (known.parent / "config").open("a") as config:
        config.write(f"Host 127.0.0.1\n  IdentityFile {gate.user_key}\n")
    hop = jump.format(user=gate.user, port=gate.port)
    board = board_of(server, root, jump=hop)
    with connect(board) as connection:
        told = connection.run(["sh", "-c", 'echo "$SSH_CONNECTION"'], b"", 30).stdout.split()
        assert int(told[3]) == server.port
        (root.parent).mkdir()
        (root.parent / "source").write_bytes(os.urandom(3_000_000))
        connection.put(root.parent / "source", f"{root}/file")
    assert (root / "file").read_bytes() == (root.parent / "source").read_bytes()
    assert host_key_of("127.0.0.1", server.port, hop) == server.pinned()
    log = (gate.folder / "log").read_text()
    assert "Accepted publickey" in log


def test_hop_of_the_configuration(known: Path, server: Server, root: Path) -> None:
    """A board whose host is a Host of ~/.ssh/config goes over that one's ProxyJump."""
    assert greet(board_of(server, root, host="inner")) == b"hello"
    assert host_key_of("inner", server.port) == server.pinned()


def test_link_ends_with_the_connection(known: Path, server: Server, root: Path) -> None:
    """Nothing of a link over hops is left: no thread, no socket."""
    before = set(threading.enumerate())
    for _ in range(3):
        greet(board_of(server, root, jump="gate"))
    deadline = time.monotonic() + 10
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert set(threading.enumerate()) <= before


def test_unknown_hop(known: Path, gate: Server, server: Server, root: Path) -> None:
    """A hop that known_hosts does not have is not logged in to; the error shows its key and what to do."""
    known.write_text("")
    with pytest.raises(HostKeyError) as caught:
        log_in(board_of(server, root, jump="gate"))
    assert gate.fingerprint() in caught.value.message
    assert str(known) in caught.value.message
    assert f"ssh -p {gate.port} {gate.user}@gate" in caught.value.hint
    assert known.read_text() == ""


@pytest.mark.parametrize("marker", ["", "@revoked "])
def test_changed_or_revoked_hop(
    known: Path, gate: Server, server: Server, root: Path, tmp_path: Path, marker: str
) -> None:
    """A hop with another key than known_hosts has, or with a revoked one, is refused."""
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
    line = f"[127.0.0.1]:{gate.port} {gate.pinned()}\n"
    known.write_text(f"{line}@revoked * {gate.pinned()}\n" if marker else f"[127.0.0.1]:{gate.port} {other}\n")
    accepted = (gate.folder / "log").read_text().count("Accepted")
    with pytest.raises(HostKeyError, match=gate.fingerprint().replace("+", r"\+")) as caught:
        log_in(board_of(server, root, jump="gate"))
    assert "in between" in caught.value.hint
    assert (gate.folder / "log").read_text().count("Accepted") == accepted


def test_hop_that_refuses_us(known: Path, gate: Server, server: Server, root: Path, tmp_path: Path) -> None:
    """A hop that does not know our key is named."""
    config = known.parent / "config"
    config.write_text(config.read_text().replace(str(gate.user_key), str(make_key(tmp_path / "stranger"))))
    with pytest.raises(UnreachableError, match=r"the hop gate: .* refuses the login") as caught:
        log_in(board_of(server, root, jump="gate"))
    assert f"ssh-copy-id -p {gate.port} {gate.user}@gate" in caught.value.hint


def test_board_behind_a_hop_is_off(known: Path, server: Server, root: Path) -> None:
    """A board that does not answer the hop is told apart from a hop that does not answer."""
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1 cannot be reached from the hop gate"):
        log_in(board_of(server, root, jump="gate", port=1))
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1 cannot be reached: "):
        log_in(board_of(server, root, jump="127.0.0.1:1"))


def test_hop_without_forwarding(known: Path, own_server: Server, server: Server, root: Path) -> None:
    """A hop that forwards nothing is named, with the setting."""
    own_server.stop()
    own_server.start(extra="AllowTcpForwarding no")
    with (known.parent / "config").open("a") as config:
        config.write(HOST.format(alias="closed", server=own_server, more=""))
    known.write_text(f"[127.0.0.1]:{own_server.port} {own_server.pinned()}\n")
    with pytest.raises(UnreachableError, match="from the hop closed") as caught:
        log_in(board_of(server, root, jump="closed"))
    assert "AllowTcpForwarding" in caught.value.hint


def test_pinned_key_counts_behind_a_hop(known: Path, server: Server, root: Path, tmp_path: Path) -> None:
    """A hop can be trusted and the board still not: its key is the pinned one or nobody logs in."""
    pinned = " ".join(make_key(tmp_path / "other").with_suffix(".pub").read_text().split()[:2])
    with pytest.raises(HostKeyError, match="pinned is"):
        log_in(board_of(server, root, jump="gate", host_key=pinned))


@pytest.mark.parametrize("jump", ["a b", "@", "host:99999", "gate,,:x:"])
def test_hop_that_is_none(known: Path, server: Server, root: Path, jump: str) -> None:
    """What cannot be a hop is an error of use."""
    with pytest.raises(UsageError, match="is no hop"):
        log_in(board_of(server, root, jump=jump))


def test_hops_in_a_circle(known: Path, server: Server, root: Path) -> None:
    """A configuration whose hops lead back to themselves ends."""
    (known.parent / "config").write_text("Host *\n  ProxyJump circle\n")
    with pytest.raises(UsageError, match="hops"):
        log_in(board_of(server, root))


def test_proxy_command(known: Path, server: Server, root: Path) -> None:
    """A ProxyCommand carries the link, and has ended with it."""
    pid = known.with_name("pid")
    relay = (
        "import socket,sys,threading,os;s=socket.create_connection((sys.argv[1],int(sys.argv[2])))\n"
        "def up():\n while b:=os.read(0,65536): s.sendall(b)\n"
        "threading.Thread(target=up,daemon=True).start()\n"
        "while b:=s.recv(65536): os.write(1,b)"
    )
    known.with_name("relay.py").write_text(relay)
    (known.parent / "config").write_text(
        f"Host 127.0.0.1\n  ProxyCommand sh -c 'echo $$ > {pid}; exec python3 {known.with_name('relay.py')} %h %p'\n"
    )
    assert greet(board_of(server, root)) == b"hello"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_proxy_command_that_fails(known: Path, server: Server, root: Path) -> None:
    """A ProxyCommand that ends at once is a board that is not reached."""
    (known.parent / "config").write_text("Host 127.0.0.1\n  ProxyCommand exit 3\n")
    with pytest.raises(UnreachableError, match="pi: "):
        log_in(board_of(server, root))


def link_local() -> list[str]:
    """This machine's own link-local addresses with their scopes: fe80::…%eth0."""
    lines = [line.split() for line in Path("/proc/net/if_inet6").read_text().splitlines()]
    return [f"{ipaddress.IPv6Address(int(words[0], 16))}%{words[5]}" for words in lines if words[3] == "20"]


def test_ipv6(tmp_path: Path, root: Path) -> None:
    """A board with an IPv6 address; where this machine has one of a link, with its scope too."""
    if not Path("/proc/net/if_inet6").exists() or "0" * 31 + "1" not in Path("/proc/net/if_inet6").read_text():
        pytest.skip("this machine has no IPv6")
    with serving(tmp_path / "six", address="::") as six:
        for host in ("::1", *link_local()):
            assert greet(board_of(six, root, host=host)) == b"hello"
            assert host_key_of(host, six.port) == six.pinned()
