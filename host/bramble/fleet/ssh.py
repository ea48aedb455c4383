"""The only file that knows paramiko: one SSH connection, key login, the pinned host key and no other.

What the library leaves off is switched on: TCP_NODELAY (an exec takes 4 ms instead of 48), keepalive, AES-GCM first.
Both output streams are drained together under a deadline of our own: one after the other deadlocks past 2 MiB.
"""

from __future__ import annotations

import base64
import hashlib
import select
import shlex
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from posixpath import dirname
from typing import Any

import paramiko

from bramble.errors import HostKeyError, StorageError, UnreachableError
from bramble.fleet.types import Board, Done

CONNECT_S = 30.0
KEEPALIVE_S = 15
PIECE = 1 << 16
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")


def host_key_of(host: str, port: int) -> str:
    """Ask a server for its host key, as "type base64"; nobody logs in. Raises UnreachableError."""
    transport = _transport(_socket(host, port))
    try:
        transport.start_client(timeout=CONNECT_S)
        key = transport.get_remote_server_key()
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise UnreachableError(f"{host}:{port} does not speak SSH: {error}", "check host and port") from error
    finally:
        transport.close()
    return f"{key.get_name()} {key.get_base64()}"


def fingerprint(host_key: str) -> str:
    """A host key's fingerprint as ``ssh-keygen -l`` prints it: SHA256:…"""
    raw = base64.b64decode(host_key.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


class SshConnection:
    """A ``Connection`` to a board over SSH."""

    def __init__(self, board: Board) -> None:
        """Connect and log in by key. Raises UnreachableError, or HostKeyError where the key is not the pinned one."""
        self._board = board
        self._client = _connect(board)
        self._sftp = self._client.open_sftp()
        home = self._sftp.normalize(".")
        self.root = home + board.root[1:] if board.root.startswith("~") else board.root

    def run(self, argv: Sequence[str], stdin: bytes, timeout_s: float) -> Done:
        """Run a command; every argument is quoted for the remote shell."""
        try:
            return self._run(shlex.join(argv), stdin, time.monotonic() + timeout_s)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise UnreachableError(f"{self._board.name}: the connection broke: {error}", "try again") from error

    def _run(self, command: str, stdin: bytes, deadline: float) -> Done:
        transport = self._client.get_transport()
        if transport is None:
            raise EOFError("closed")
        channel = transport.open_session(timeout=CONNECT_S)
        with channel:
            channel.exec_command(command)
            channel.sendall(stdin)
            channel.shutdown_write()
            out, err = self._drain(channel, deadline)
            if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
                raise UnreachableError(f"{self._board.name}: no exit status in time", "try again")
            return Done(channel.exit_status, out, err)

    def _drain(self, channel: paramiko.Channel, deadline: float) -> tuple[bytes, bytes]:
        out, err = bytearray(), bytearray()
        while True:
            while channel.recv_ready():
                out += channel.recv(PIECE)
            while channel.recv_stderr_ready():
                err += channel.recv_stderr(PIECE)
            if channel.closed or (channel.eof_received and channel.exit_status_ready()):
                if not (channel.recv_ready() or channel.recv_stderr_ready()):
                    return bytes(out), bytes(err)
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                raise UnreachableError(f"{self._board.name}: no answer in time", "the board may be overloaded")
            if channel.eof_received:  # output is complete, the exit status is on its way
                channel.status_event.wait(min(left, 1.0))
            else:
                select.select([channel], [], [], min(left, 1.0))

    def size(self, path: str) -> int | None:
        """The size of a file, None where there is none."""
        try:
            return self._sftp.stat(path).st_size
        except FileNotFoundError:
            return None
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise UnreachableError(f"{self._board.name}: the connection broke: {error}", "try again") from error

    def put(self, source: Path, target: str) -> None:
        """Upload a file with pipelined writes."""
        try:
            self._make_folder(dirname(target))
            self._sftp.put(str(source), target)
        except (paramiko.SSHException, EOFError, ConnectionError) as error:
            raise UnreachableError(f"{self._board.name}: the upload broke: {error}", "push again") from error
        except OSError as error:
            raise StorageError(
                f"{self._board.name}: cannot write {target}: {error}", "free some space on the board, check permissions"
            ) from error

    def rename(self, source: str, target: str) -> None:
        """Move a file over what is there in one step."""
        self._sftp.posix_rename(source, target)

    def close(self) -> None:
        """Log out."""
        self._client.close()

    def _make_folder(self, folder: str) -> None:
        missing = []
        while folder and self.size(folder) is None:
            missing.append(folder)
            folder = dirname(folder)
        for path in reversed(missing):
            self._sftp.mkdir(path)


def _connect(board: Board) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    kind, key = board.host_key.split()
    name = board.host if board.port == 22 else f"[{board.host}]:{board.port}"
    client.get_host_keys().add(name, kind, paramiko.PKey.from_type_string(kind, base64.b64decode(key)))
    sock = _socket(board.host, board.port)
    try:
        client.connect(
            board.host,
            board.port,
            board.user,
            sock=sock,
            key_filename=board.key_file or None,
            look_for_keys=not board.key_file,
            allow_agent=not board.key_file,
            timeout=CONNECT_S,
            banner_timeout=CONNECT_S,
            auth_timeout=CONNECT_S,
            transport_factory=_transport,
        )
    except paramiko.BadHostKeyException as error:
        raise _changed(board, error.key) from error
    except paramiko.AuthenticationException as error:
        raise UnreachableError(
            f"{board.name}: {board.address} refuses the login: {error}",
            f"put your public key there once: ssh-copy-id -p {board.port} {board.user}@{board.host}",
        ) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise UnreachableError(f"{board.name}: {board.address}: {error}", "check that the board is up") from error
    transport = client.get_transport()
    if transport is not None:
        transport.set_keepalive(KEEPALIVE_S)
    return client


def _changed(board: Board, now: paramiko.PKey) -> HostKeyError:
    seen = fingerprint(f"{now.get_name()} {now.get_base64()}")
    return HostKeyError(
        f"{board.name}: {board.address} shows host key {seen}, pinned is {fingerprint(board.host_key)}",
        "someone may be in between; if the board was set up anew: "
        f"bramble board remove {board.name}, then bramble board add",
    )


def _socket(host: str, port: int) -> socket.socket:
    try:
        sock = socket.create_connection((host, port), timeout=CONNECT_S)
    except OSError as error:
        raise UnreachableError(
            f"{host}:{port} cannot be reached: {error}", "is the board on, and on this network?"
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _transport(sock: Any, **options: Any) -> paramiko.Transport:
    """A transport that asks for AES-GCM first."""
    transport = paramiko.Transport(sock, **options)
    security = transport.get_security_options()
    offered = tuple(security.ciphers)
    security.ciphers = tuple(name for name in CIPHERS if name in offered) + tuple(
        name for name in offered if name not in CIPHERS
    )
    return transport
