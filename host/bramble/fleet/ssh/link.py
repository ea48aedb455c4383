"""The lowest part of SSH: sockets, transports as we want them, and a link of several that ends as one.

What the library leaves off is switched on: TCP_NODELAY (an exec takes 4 ms instead of 48), keepalive, AES-GCM first.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Any

import paramiko
from paramiko.common import MSG_CHANNEL_CLOSE, MSG_CHANNEL_FAILURE, MSG_CHANNEL_WINDOW_ADJUST, cMSG_GLOBAL_REQUEST
from paramiko.packet import Packetizer

from bramble.errors import UnreachableError
from bramble.fleet.ssh.words import words

SILENCE_S = 60.0
KEEPALIVE_S = 15
OF_A_CHANNEL = range(MSG_CHANNEL_WINDOW_ADJUST, MSG_CHANNEL_FAILURE + 1)
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")


class Link:
    """A transport that a board answers on, and all that carries it."""

    transport: Transport

    def __init__(self) -> None:
        self._layers: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    def hold(self, close: Callable[[], object]) -> None:
        """Close this too at the end."""
        self._layers.append(close)

    def close(self) -> None:
        """End everything, the lowest first: to end an upper one politely could wait for a lower one that is stuck."""
        with self._lock:
            while self._layers:
                self._layers.pop(0)()


class _Hearing(Packetizer):
    """The library's, which also knows how many messages came."""

    heard = 0

    def read_message(self) -> Any:
        """The next message."""
        message = super().read_message()
        self.heard += 1
        return message


class Transport(paramiko.Transport):
    """The library's, but what it trips over in damaged bytes (a ValueError, say) is a broken link as well.

    Its keepalives ask for an answer: a server gives one however busy its commands are, so silence means a dead link.

    On a channel that is closed nothing more is said (RFC 4254, 5.3). The library's threads may: one has the end of a
    command's input ready, another closes the channel as that command has ended, and then the first speaks. OpenSSH
    takes it for a breach and hangs up, with all that runs over the link.
    """

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self.packetizer: _Hearing = _Hearing(sock)
        self._in_turn, self._closed = threading.Lock(), set[int]()  # the server's numbers of channels

    def open_channel(self, *args: Any, **kwargs: Any) -> paramiko.Channel:
        """As the library does; the server may give the number of a closed channel again."""
        channel = super().open_channel(*args, **kwargs)
        self._closed.discard(channel.remote_chanid)
        return channel

    def _send_user_message(self, message: paramiko.Message) -> None:
        kind, number = struct.unpack(">BI", message.asbytes()[:5].ljust(5))
        with self._in_turn:
            if kind == MSG_CHANNEL_CLOSE:
                self._closed.add(number)
            elif kind in OF_A_CHANNEL and number in self._closed:
                return
            super()._send_user_message(message)  # type: ignore[misc]  # all that threads say goes through it

    @property
    def heard(self) -> int:
        """How many messages came from the server."""
        return self.packetizer.heard

    def set_keepalive(self, interval: float) -> None:
        """Ask for a sign of life where nothing was sent for so many seconds."""
        self.packetizer.set_keepalive(interval, self._ask_for_a_sign)

    def _ask_for_a_sign(self) -> None:
        message = paramiko.Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        self._send_user_message(message)

    def get_exception(self) -> Exception | None:
        """What its thread ended with, if nobody asked yet."""
        error = super().get_exception()
        if error is None or isinstance(error, (paramiko.SSHException, EOFError, OSError)):
            return error
        return paramiko.SSHException(f"what came is damaged ({type(error).__name__}: {error})")


def dial(link: Link, host: str, port: int, seconds: float) -> socket.socket:
    """A TCP connection. Raises UnreachableError."""
    try:
        sock = socket.create_connection((host, port), timeout=seconds)
    except (OSError, UnicodeError) as error:  # UnicodeError: not a host's name
        raise UnreachableError(
            f"{host}:{port} cannot be reached: {words(error)}", "is the board on, and on this network?"
        ) from error
    link.hold(sock.close)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # with the keepalive: a board that lost power is noticed in a minute
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SILENCE_S * 1000))
    return sock


def spawn(link: Link, command: str) -> socket.socket:
    """The two streams of a ProxyCommand as one socket; the command ends with the link."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        process.terminate()
        try:
            process.wait(2.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    link.hold(end)
    return ours


def shake_hands(link: Link, sock: Any, kinds: Sequence[str], seconds: float) -> Transport:
    """A transport on which the server has proved to have its host key, of one of ``kinds`` ("ssh-rsa") if it can.

    Raises what the library raises.
    """
    logger = logging.getLogger("paramiko")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # else its thread prints tracebacks on stderr
    transport = Transport(sock)
    link.hold(transport.close)
    transport.banner_timeout = seconds + 1.0  # start_client is to notice first
    transport.auth_timeout = seconds
    security = transport.get_security_options()
    security.ciphers = _first(security.ciphers, lambda name: name in CIPHERS)
    security.key_types = _first(security.key_types, lambda name: _kind(name) in kinds)
    transport.start_client(timeout=seconds)
    if not transport.initial_kex_done:
        what = "finish the handshake" if transport.remote_version else "answer the greeting"
        raise paramiko.SSHException(
            f"the server there did not {what} in {seconds:g} s: it may hang, or be no SSH server"
        )
    transport.set_keepalive(KEEPALIVE_S)
    return transport


def _first(names: Sequence[str], wanted: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: not wanted(name)))  # stable: their order stays


def _kind(algorithm: str) -> str:
    """The type of key that an algorithm signs with: RSA keys have several."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def host_key(transport: paramiko.Transport) -> str:
    """The key that the server has proved to have, as "type base64"."""
    key = transport.get_remote_server_key()
    return f"{key.get_name()} {key.get_base64()}"


def fingerprint(key: str) -> str:
    """The fingerprint of a "type base64" key as ``ssh-keygen -l`` prints it: SHA256:…"""
    raw = base64.b64decode(key.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
