"""Servers that mean harm, or say anything at all."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from agent.camera.actions.making_events import event, made
from bramble_agent.camera.actions.webhook import Webhook
from bramble_agent.errors import ActionFailed, ActionRefused


def opened(text: str) -> Webhook:
    """An action, open."""
    hook: Webhook = made(text)
    hook.open()
    return hook


@contextmanager
def hostile(reply: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads the request (closing on unread bytes would be a reset) and then does as it likes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, suppress(OSError):
                        connection.settimeout(5.0)
                        got = part = connection.recv(65_536)
                        while part and not got.endswith(b"}"):
                            got += (part := connection.recv(65_536))
                        reply(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        listening.shutdown(socket.SHUT_RDWR)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 99999 X\r\n\r\n",
        b"HTTP/1.1 -1 X\r\n\r\n",
        OK + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        OK + b"X: y\r\n" * 500 + b"\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
        b"\0" * 10_000,
    ],
)
def test_no_http(reply: bytes) -> None:
    """Answers that are none: tried again later, and what they said is not repeated."""
    with hostile(lambda connection: connection.sendall(reply)) as address:
        hook = opened(f"{address}?timeout=2")
        with pytest.raises(ActionFailed) as caught:
            hook.act(event(), None)
        assert len(caught.value.message) < 120


def test_cut_short() -> None:
    """Of an answer only the status counts."""
    with hostile(lambda connection: connection.sendall(OK + b"Content-Length: 100\r\n\r\nshort")) as address:
        hook = opened(f"{address}?timeout=2")
        hook.act(event(1), None)
        hook.act(event(2), None)
        hook.close()


@pytest.mark.parametrize("length", [b"", b"Content-Length: 1000000000\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_endless_answers(length: bytes) -> None:
    """A body without an end is not read to it; its status counts where it came in time."""

    def pour(connection: socket.socket) -> None:
        connection.sendall(OK + length + b"\r\n")
        for _ in range(10_000):
            connection.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")

    with hostile(pour) as address:
        hook = opened(f"{address}?timeout=5")
        hook.act(event(), None)
        assert hook._connection is not None
        assert hook._connection.sock is None  # nothing of it is read as the next answer


def test_drips() -> None:
    """A byte now and then: given up after the time in all, not after each."""

    def drip(connection: socket.socket) -> None:
        for byte in OK * 100:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    with hostile(drip) as address:
        start = time.monotonic()
        with pytest.raises(ActionFailed):
            opened(f"{address}?timeout=0.5").act(event(), None)
        assert time.monotonic() - start < 5.0


def test_fuzzed_answers() -> None:
    """200 answers with random changes: done, refused or failed, and nothing else."""
    whole = OK + b"Retry-After: 5\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"
    chance = random.Random(5)  # noqa: S311 - repeatable
    ends = {"done": 0, "ActionFailed": 0, "ActionRefused": 0}

    def mangled(connection: socket.socket) -> None:
        data = bytearray(whole)
        for _ in range(chance.randrange(6)):
            place = chance.randrange(len(data))
            data[place : place + chance.randrange(4)] = chance.randbytes(chance.randrange(4))
        connection.sendall(data)

    with hostile(mangled) as address:
        for number in range(200):
            hook = opened(f"{address}?timeout=1")
            try:
                hook.act(event(number), None)
                ends["done"] += 1
            except (ActionFailed, ActionRefused) as error:
                ends[type(error).__name__] += 1
            hook.close()
    assert ends["done"] > 20
    assert ends["ActionFailed"] > 20
