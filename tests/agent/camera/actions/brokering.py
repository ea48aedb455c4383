"""Brokers for tests, one function each: what they read, and what they answer."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from agent.camera.actions.making_events import made
from bramble_agent.camera.actions.mqtt import Mqtt

CONNECT, PUBLISH, DISCONNECT = 1, 3, 14


def packet(kind: int, body: bytes) -> bytes:
    """A packet with its length (below 128)."""
    return bytes([kind, len(body)]) + body


WELCOME = packet(0x20, b"\0\0\0")


class Peer:
    """A client's connection as the broker sees it."""

    def __init__(self, connection: socket.socket) -> None:
        """Packets are read by ``next``."""
        self.connection = connection
        self._file = connection.makefile("rb")

    def next(self) -> tuple[int, bytes]:
        """Kind and body of the next packet; (0, b"") at the end."""
        first = self._file.read(1)
        if not first:
            return 0, b""
        length = shift = 0
        while True:
            byte = self._file.read(1)[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return first[0] >> 4, self._file.read(length)

    def close(self) -> None:
        """Its file as well."""
        self._file.close()
        self.connection.close()


@contextmanager
def broker(serve: Callable[[Peer], None]) -> Iterator[int]:
    """The port of a broker that treats each connection so."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    peer = Peer(listening.accept()[0])
                    peer.connection.settimeout(20.0)
                    with suppress(OSError, IndexError):
                        serve(peer)
                    peer.close()

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def opened(port: int, options: str = "", user: str = "") -> Mqtt:
    """An action, connected."""
    action: Mqtt = made(f"mqtt://{user}127.0.0.1:{port}/home/door{options}")
    action.open()
    return action


def parts(body: bytes) -> tuple[str, int, bytes]:
    """Topic, packet number and payload of a PUBLISH of MQTT 5 at QoS 1."""
    length = struct.unpack(">H", body[:2])[0]
    number = struct.unpack(">H", body[2 + length : 4 + length])[0]
    return body[2 : 2 + length].decode(), number, body[4 + length + 1 + body[4 + length] :]


def usual(told: list[tuple[str, bytes]], reason: bytes = b"", acknowledge: bool = True) -> Callable[[Peer], None]:
    """A broker that takes everything (or answers events with ``reason``)."""

    def serve(peer: Peer) -> None:
        while True:
            kind, body = peer.next()
            if kind == CONNECT:
                told.append(("connect", body))
                peer.connection.sendall(WELCOME)
            elif kind == PUBLISH:
                topic, number, payload = parts(body)
                told.append((topic, payload))
                said = struct.pack(">H", number) + (reason if topic == "home/door" else b"")
                if acknowledge or topic != "home/door":
                    peer.connection.sendall(packet(0x40, said))
            else:
                told.append(("disconnect" if kind == DISCONNECT else "cut", b""))
                return

    return serve
