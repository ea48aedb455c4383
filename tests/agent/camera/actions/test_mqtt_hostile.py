"""Brokers that mean harm, or say anything at all."""

from __future__ import annotations

import random
import struct
import threading
import time

import pytest

from agent.camera.actions.brokering import (
    CONNECT,
    PUBLISH,
    WELCOME,
    Peer,
    broker,
    packet,
    parts,
)
from agent.camera.actions.making_events import event, made
from bramble_agent.camera.actions import mqtt_session
from bramble_agent.camera.actions.mqtt import Mqtt
from bramble_agent.errors import ActionFailed, ActionRefused, BadRequest

pytestmark = pytest.mark.usefixtures("short")


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
