"""MQTT against a broker of a few lines, which does what it should, or anything else; the real one is in test_broker."""

from __future__ import annotations

import json
import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from agent.camera.actions.making_events import event, made, secret
from bramble_agent.camera.actions import mqtt_session
from bramble_agent.camera.actions.mqtt import Mqtt
from bramble_agent.codec import encode
from bramble_agent.errors import ActionFailed, ActionRefused, AgentError, BadRequest
from looking import until

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


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little patience."""
    for name, value in (("FIRST_PAUSE_S", 0.01), ("LOOK_S", 0.05), ("CONNECT_S", 1.0), ("ANSWER_S", 1.0)):
        monkeypatch.setattr(mqtt_session, name, value)
    monkeypatch.setattr(mqtt_session.Session.send, "__defaults__", (1.0,))


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


def test_events_and_state() -> None:
    """The last will is in CONNECT, ``online`` comes first, each event as JSON, ``offline`` and a goodbye last."""
    told: list[tuple[str, bytes]] = []
    with broker(usual(told)) as port:
        action = opened(port)
        action.act(event(1), None)
        action.act(event(2), None)
        action.close()
        until(lambda: told[-1][0] == "disconnect")
    (_, connect), online, first, second, offline, _ = told
    assert b"\0\x0fhome/door/state\0\x07offline" in connect
    assert connect[7] & 0b00111100 == 0b00101100  # the will, at QoS 1, retained
    assert (online, offline) == (("home/door/state", b"online"), ("home/door/state", b"offline"))
    assert [json.loads(payload) for _, payload in (first, second)] == [encode(event(1)), encode(event(2))]
    assert first[0] == "home/door"


@pytest.mark.slow
def test_returns_after_the_acknowledgement_only() -> None:
    """No PUBACK: failed after a while, over a new connection the same event again."""
    told: list[tuple[str, bytes]] = []
    with broker(usual(told, acknowledge=False)) as port:
        action = opened(port)
        with pytest.raises(ActionFailed, match="did not acknowledge"):
            action.act(event(1), None)
        with pytest.raises(ActionFailed):
            action.act(event(1), None)
        action.close()
    assert [topic for topic, _ in told].count("connect") >= 2
    assert [topic for topic, _ in told].count("home/door") == 2


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (b"\x00\x00", None),
        (b"\x10\x00", None),  # no matching subscribers
        (b"\x87\x00", ActionRefused),  # not authorized
        (b"\x90\x00", ActionRefused),  # topic name invalid
        (b"\x97\x00", ActionFailed),  # quota exceeded
        (b"\x80\x00", ActionFailed),
    ],
)
def test_acknowledgements_that_are_none(reason: bytes, kind: type[AgentError] | None) -> None:
    """MQTT 5 says why: no right is final, a quota passes."""
    with broker(usual([], reason)) as port:
        action = opened(port)
        if kind is None:
            action.act(event(), None)
        else:
            with pytest.raises(kind, match="does not take home/door"):
                action.act(event(), None)
        action.close()


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (0x86, BadRequest, "does not take the user 'pi' with this password"),
        (0x87, BadRequest, "does not let the user 'pi' in"),
        (0x88, ActionFailed, "Server unavailable"),
        (0x97, ActionFailed, "does not let us in"),
    ],
)
def test_not_let_in(code: int, kind: type[AgentError], said: str, tmp_path: Any) -> None:
    """What will never work is said at the start, with what to do and without the password; what passes is tried on."""

    def refuse(peer: Peer) -> None:
        _, body = peer.next()
        assert b"s3cr3t-word" in body
        peer.connection.sendall(packet(0x20, bytes([0, code, 0])))
        peer.next()

    with broker(refuse) as port:
        with pytest.raises(kind) as caught:
            opened(port, f"?password_file={secret(tmp_path)}", "pi@")
        assert said in caught.value.message
        assert "s3cr3t" not in f"{caught.value.message}{caught.value.hint}"
        assert kind is ActionFailed or "password_file" in caught.value.hint


def test_older_brokers() -> None:
    """One that knows MQTT 3.1.1 only, and says so or just hangs up, is spoken to so."""
    for said in (packet(0x20, b"\0\1"), b""):
        versions: list[int] = []

        def old(peer: Peer, said: bytes = said, versions: list[int] = versions) -> None:
            _, body = peer.next()
            versions.append(body[6])
            if body[6] != 4:
                peer.connection.sendall(said)
                return
            peer.connection.sendall(packet(0x20, b"\0\0"))
            while True:
                kind, body = peer.next()
                if kind != PUBLISH:
                    return
                length = struct.unpack(">H", body[:2])[0]
                peer.connection.sendall(packet(0x40, body[2 + length : 4 + length]))

        with broker(old) as port:
            action = opened(port)
            action.act(event(), None)
            action.close()
        assert versions == [5, 4]


def test_connection_that_is_cut() -> None:
    """Made again without any event: ``online`` is told once more."""
    told: list[tuple[str, bytes]] = []
    peers: list[Peer] = []

    def serve(peer: Peer) -> None:
        peers.append(peer)
        usual(told)(peer)

    with broker(serve) as port:
        action = opened(port)
        until(lambda: told[-1:] == [("home/door/state", b"online")])
        peers[0].connection.shutdown(socket.SHUT_RDWR)
        until(lambda: told.count(("home/door/state", b"online")) == 2)
        action.act(event(), None)
        action.close()


def test_nobody_there() -> None:
    """Said as something that may pass."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(ActionFailed, match="refused") as caught:
            opened(closed.getsockname()[1])
    assert "reach" in caught.value.hint


def test_library_missing_or_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install."""
    with monkeypatch.context() as patch:
        patch.delattr("paho.mqtt.client.CallbackAPIVersion")
        with pytest.raises(BadRequest, match="older than version 2"):
            opened(1)
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    with pytest.raises(BadRequest, match="cannot be imported"):
        opened(1)


@pytest.mark.parametrize("options", ["?password_file=/nowhere", "?password_file=/etc/passwd"])
def test_secrets_that_are_none(options: str) -> None:
    """Not there, or everybody's; a password without a user."""
    with pytest.raises(BadRequest):
        opened(1, options, "pi@")
    with pytest.raises(BadRequest, match="without a user"):
        opened(1, options)


def test_no_secret_in_a_repr() -> None:
    """A broker's address as it may stand in a traceback."""
    assert "s3cr3t" not in repr(mqtt_session.Broker("h", 1, "t", "c", "u", "s3cr3t"))


HOSTILE = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\x20",
    b"\x20\xff\xff\xff\xff\xff",
    b"\x20\xff\xff\xff\x7f" + b"x" * 100_000,
    packet(0x20, b""),
    packet(0x20, b"\0"),
    packet(0x20, b"\0\0"),
    packet(0x20, b"\0\0\xff"),
    packet(0x20, b"\0\0\x05\x26\0\1a"),
    WELCOME * 3,
    WELCOME + packet(0x40, b""),
    WELCOME + packet(0x40, b"\0\1\xff"),
    WELCOME + packet(0x40, b"\xff\xff"),
    WELCOME + packet(0x30, b"\xff\xff"),
    WELCOME + packet(0x32, b"\0\1\xff\0\1\0x"),
    WELCOME + packet(0x30, b"\0\0\0"),
    WELCOME + packet(0x90, b""),
    WELCOME + packet(0xE0, b"\x8e"),
    WELCOME + packet(0xF0, b""),
    WELCOME + b"\0\0",
    b"\0" * 1_000,
]


def survives(port: int) -> str:
    """What becomes of opening and of an event: "done", or the error's name."""
    action: Mqtt = made(f"mqtt://127.0.0.1:{port}/home/door")
    try:
        action.open()
        action.act(event(), None)
    except (ActionFailed, ActionRefused, BadRequest) as error:
        return type(error).__name__ if len(error.message) < 200 else "talkative"
    finally:
        action.close()
    return "done"


@pytest.mark.parametrize("reply", HOSTILE)
def test_hostile_replies(reply: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread dies, nothing hangs: it failed, and may be tried again."""
    monkeypatch.setattr(mqtt_session, "CONNECT_S", 0.3)
    monkeypatch.setattr(mqtt_session.Session.send, "__defaults__", (0.3,))

    def serve(peer: Peer) -> None:
        peer.next()
        peer.connection.sendall(reply)
        peer.next()

    with broker(serve) as port:
        start = time.monotonic()
        assert survives(port) in ("ActionFailed", "ActionRefused")
        assert time.monotonic() - start < 10.0
    assert not [one for one in threading.enumerate() if one.name.startswith("mqtt ")]


@pytest.mark.slow
def test_fuzzed_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 conversations with random changes in what the broker says."""
    monkeypatch.setattr(mqtt_session, "CONNECT_S", 0.1)
    monkeypatch.setattr(mqtt_session, "GOODBYE_S", 0.1)
    monkeypatch.setattr(mqtt_session.Session.send, "__defaults__", (0.1,))
    chance = random.Random(6)  # noqa: S311 - repeatable
    ends: dict[str, int] = {}

    def mangled(data: bytes) -> bytes:
        changed = bytearray(data)
        while chance.random() < 0.4:
            place = chance.randrange(len(changed))
            changed[place : place + chance.randrange(3)] = chance.randbytes(1 + chance.randrange(3))
        return bytes(changed)

    def serve(peer: Peer) -> None:
        while True:
            kind, body = peer.next()
            if kind == CONNECT:
                peer.connection.sendall(mangled(WELCOME))
            elif kind == PUBLISH:
                peer.connection.sendall(mangled(packet(0x40, struct.pack(">H", parts(body)[1]))))
            else:
                return

    with broker(serve) as port:
        for _ in range(60):
            end = survives(port)
            ends[end] = ends.get(end, 0) + 1
    assert ends.keys() <= {"done", "ActionFailed", "ActionRefused", "BadRequest"}
    assert ends["done"] > 6
    assert ends["ActionFailed"] > 6
