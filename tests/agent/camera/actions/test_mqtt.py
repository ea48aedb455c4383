"""MQTT against a broker of a few lines, which does what it should, or anything else; the real one is in test_broker."""

from __future__ import annotations

import json
import socket
import struct
import sys
from typing import Any

import pytest

from agent.camera.actions.brokering import (
    PUBLISH,
    Peer,
    broker,
    opened,
    packet,
    usual,
)
from agent.camera.actions.making_events import event, secret
from bramble_agent.camera.actions import mqtt_session
from bramble_agent.camera.event import event_json
from bramble_agent.errors import ActionFailed, ActionRefused, AgentError, BadRequest
from looking import until

pytestmark = pytest.mark.usefixtures("short")


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
    assert [json.loads(payload) for _, payload in (first, second)] == [event_json(event(1)), event_json(event(2))]
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
