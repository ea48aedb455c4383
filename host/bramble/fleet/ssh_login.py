"""Log in to a board over SSH: by key, and only where the host key is the pinned one. It and ``ssh`` know paramiko.

What the library leaves off is switched on: TCP_NODELAY (an exec takes 4 ms instead of 48), keepalive, AES-GCM first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import socket
from typing import Any

import paramiko
from paramiko.pkey import UnknownKeyType

from bramble.errors import HostKeyError, UnreachableError, UsageError
from bramble.fleet.types import Board

CONNECT_S = 30.0
SILENCE_S = 60.0
KEEPALIVE_S = 15
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")


def host_key_of(host: str, port: int) -> str:
    """Ask a server for its host key, as "type base64"; nobody logs in. Raises UnreachableError."""
    transport = _new_transport(_socket(host, port))
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


def log_in(board: Board) -> paramiko.SSHClient:
    """A client that is logged in to ``board``.

    Raises UnreachableError, HostKeyError where the host key is not the pinned one, UsageError for a useless key file.
    """
    kind, pinned = _pinned(board)
    key = _private_key(board)
    client = paramiko.SSHClient()
    name = board.host if board.port == 22 else f"[{board.host}]:{board.port}"
    client.get_host_keys().add(name, kind, pinned)
    sock = _socket(board.host, board.port)
    try:
        client.connect(
            board.host,
            board.port,
            board.user,
            sock=sock,
            pkey=key,
            look_for_keys=key is None,
            allow_agent=key is None,
            timeout=CONNECT_S,
            banner_timeout=CONNECT_S,
            auth_timeout=CONNECT_S,
            transport_factory=_new_transport,
        )
    except (paramiko.SSHException, EOFError, OSError) as error:
        failure = _refused(board, client, error)
        client.close()
        raise failure from error
    transport = client.get_transport()
    if transport is not None:
        transport.set_keepalive(KEEPALIVE_S)
    return client


def _refused(board: Board, client: paramiko.SSHClient, error: Exception) -> UnreachableError:
    """Why there is no connection: another host key, a login that is refused, or a link that does not hold."""
    if isinstance(error, paramiko.BadHostKeyException):
        return _changed(board, error.key)
    if isinstance(error, paramiko.AuthenticationException) or _knows_server(client):
        return UnreachableError(
            f"{board.name}: {board.address} refuses the login: {error}",
            f"put your public key there once: ssh-copy-id -p {board.port} {board.user}@{board.host}",
        )
    return UnreachableError(
        f"{board.name}: {board.address}: {str(error) or type(error).__name__}", "check that the board is up"
    )


def _knows_server(client: paramiko.SSHClient) -> bool:
    """Whether the connection holds and the server has shown its key: then what failed is the login."""
    transport = client.get_transport()
    try:
        return transport is not None and bool(transport.get_remote_server_key())
    except paramiko.SSHException:
        return False


def _pinned(board: Board) -> tuple[str, paramiko.PKey]:
    """The board's pinned key. Raises HostKeyError where it is missing or not a key: then nobody is trusted."""
    try:
        kind, key = board.host_key.split()
        return kind, paramiko.PKey.from_type_string(kind, base64.b64decode(key, validate=True))
    except (ValueError, binascii.Error, paramiko.SSHException, UnknownKeyType) as error:
        raise HostKeyError(
            f"{board.name}: the pinned host key is not a key that can be used: {board.host_key!r}",
            f"pin the right one: bramble board add {board.name} {board.user}@{board.host}:{board.port}",
        ) from error


def _private_key(board: Board) -> paramiko.PKey | None:
    """The key file the user named, None where there is none. Raises UsageError where it cannot be used."""
    if not board.key_file:
        return None
    try:
        return paramiko.PKey.from_path(board.key_file)
    except TypeError as error:
        raise UsageError(
            f"{board.name}: the key {board.key_file} has a passphrase",
            f"ssh-add {board.key_file}, and add the board without --key: your agent then answers",
        ) from error
    except (OSError, ValueError, paramiko.SSHException, UnknownKeyType) as error:
        raise UsageError(
            f"{board.name}: {board.key_file} is not a private key that can be used: {error}",
            "see `ssh-keygen -t ed25519`",
        ) from error


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
    except (OSError, UnicodeError) as error:  # UnicodeError: not a host's name
        raise UnreachableError(
            f"{host}:{port} cannot be reached: {error}", "is the board on, and on this network?"
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # with the keepalive: a board that lost power is noticed in a minute
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SILENCE_S * 1000))
    return sock


def _new_transport(sock: Any, **options: Any) -> paramiko.Transport:
    """A transport that asks for AES-GCM first, and whose thread does not print tracebacks on stderr."""
    logger = logging.getLogger("paramiko")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    transport = paramiko.Transport(sock, **options)
    security = transport.get_security_options()
    offered = tuple(security.ciphers)
    security.ciphers = tuple(name for name in CIPHERS if name in offered) + tuple(
        name for name in offered if name not in CIPHERS
    )
    return transport
