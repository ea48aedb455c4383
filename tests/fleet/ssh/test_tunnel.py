"""Tunnels through a real OpenSSH server: bytes both ways, many at once, refusals, and a link that dies."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from bramble.errors import UnreachableError
from bramble.fleet.ssh.connection import SshConnection
from bramble.fleet.ssh.tunnel import Tunnel
from serving import SFTP, board_of, serving

SOME = os.urandom(3 << 20)


@contextmanager
def echoing() -> Iterator[int]:
    """A server that sends back all that comes, until the client has ended; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def one(link: socket.socket) -> None:
            with link:
                got = b""
                while block := link.recv(65536):
                    got += block
                link.sendall(got)

        def serve() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(link,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def through(address: str, data: bytes) -> bytes:
    """What comes back."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        got = b""
        while block := client.recv(65536):
            got += block
        return got


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshConnection]:
    """A connection to a server of our own."""
    with serving(tmp_path_factory.mktemp("sshd")) as server:
        made = SshConnection(board_of(server, "there"))
        yield made
        made.close()


def test_bytes_both_ways(link: SshConnection) -> None:
    """Three megabytes there and back, the end of each direction told to the other side."""
    with echoing() as port, closing(Tunnel(link, ("127.0.0.1", port))) as way:
        assert hashlib.sha256(through(way.address, SOME)).digest() == hashlib.sha256(SOME).digest()
        assert through(way.address, b"") == b""


def test_many_at_once(link: SshConnection) -> None:
    """Ten connections, each with its own answer; the commands of the same link go on."""
    got: dict[int, bytes] = {}
    with echoing() as port, closing(Tunnel(link, ("127.0.0.1", port))) as way:

        def one(number: int) -> None:
            got[number] = through(way.address, bytes([number]) * 100_000)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        assert link.run(["echo", "hello"], b"", 20).stdout == b"hello\n"
        for thread in threads:
            thread.join(60)
    assert {number: set(data) for number, data in got.items()} == {number: {number} for number in range(10)}


def test_nothing_listens_there(link: SshConnection) -> None:
    """Said before anything is opened here."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        pytest.raises(UnreachableError, match=f"127.0.0.1:{port} cannot be reached through SSH"),
        closing(Tunnel(link, ("127.0.0.1", port))),
    ):
        pass


def test_it_is_closed_at_the_end(link: SshConnection) -> None:
    """The port is given back."""
    with echoing() as port, closing(Tunnel(link, ("127.0.0.1", port))) as way:
        address = way.address
    with pytest.raises(ConnectionRefusedError):
        through(address, b"")


def test_a_port_that_is_wanted(link: SshConnection) -> None:
    """It is that, or an OSError."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        wanted = free.getsockname()[1]
    with echoing() as port, closing(Tunnel(link, ("127.0.0.1", port), wanted)) as way:
        assert way.address == f"127.0.0.1:{wanted}"
        with pytest.raises(OSError, match="in use"), closing(Tunnel(link, ("127.0.0.1", port), wanted)):
            pass


def test_a_server_that_forbids_it_and_a_link_that_dies(tmp_path: Path) -> None:
    """The first says what to allow; the second is noticed by who waits, and connections end."""
    with serving(tmp_path / "sshd") as server, echoing() as port:
        server.stop()
        server.start(SFTP, "AllowTcpForwarding no")
        strict = SshConnection(board_of(server, "there"))
        with pytest.raises(UnreachableError) as caught, closing(Tunnel(strict, ("127.0.0.1", port))):
            pass
        assert "AllowTcpForwarding" in caught.value.hint
        strict.close()
        server.stop()
        server.start()
        made = SshConnection(board_of(server, "there"))
        with closing(Tunnel(made, ("127.0.0.1", port))) as way:
            way.wait(0.05)
            made.close()
            with pytest.raises(UnreachableError, match="the link to the board is gone"):
                way.wait(5.0)
            with suppress(ConnectionResetError):
                assert through(way.address, b"x") == b""
