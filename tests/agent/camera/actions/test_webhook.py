"""Webhooks against real servers on loopback: requests, answers, TLS, and servers that misbehave."""

from __future__ import annotations

import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent.camera.actions.certificates import authority
from agent.camera.actions.making_events import event, made, secret
from bramble_agent.camera.actions.webhook import Webhook
from bramble_agent.codec import encode
from bramble_agent.errors import ActionFailed, ActionRefused, AgentError, BadRequest


class Server(ThreadingHTTPServer):
    """Remembers what came, and answers as it is told to."""

    daemon_threads = True
    answer: tuple[int, dict[str, str]] = (200, {})

    def __init__(self) -> None:
        """On any port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.came: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that does not trust us."""

    @property
    def address(self) -> str:
        """Where."""
        return f"127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Count it."""
        super().setup()
        self.server.connections += 1  # type: ignore[attr-defined]

    def do_POST(self) -> None:
        """Remember, answer."""
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.came.append((self.path, dict(self.headers), body))
        status, headers = server.answer
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of our own."""
    with Server() as made_server:
        thread = threading.Thread(target=made_server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made_server
        made_server.shutdown()


def opened(text: str, clock: Callable[[], float] = time.time) -> Webhook:
    """An action, open."""
    hook: Webhook = made(text)
    hook._clock = clock
    hook.open()
    return hook


def test_what_is_sent(server: Server, tmp_path: Path) -> None:
    """The event as JSON, its id as the idempotency key, the token; over one connection."""
    hook = opened(f"http://{server.address}/hook?room=1&token_file={secret(tmp_path)}")
    hook.act(event(1), None)
    hook.act(event(2), None)
    hook.close()
    assert server.connections == 1
    (path, headers, body), second = server.came
    assert path == "/hook?room=1"
    assert json.loads(body) == encode(event(1))
    assert headers["Idempotency-Key"] == "f00d-1"
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Bearer s3cr3t-word"
    assert second[1]["Idempotency-Key"] == "f00d-2"


def test_an_address_that_is_a_secret(server: Server, tmp_path: Path) -> None:
    """It comes from a file, and messages name the server only."""
    path = secret(tmp_path, f"http://{server.address}/services/s3cr3t\n")
    hook = opened(f"http://hook?url_file={path}")
    hook.act(event(1), None)
    assert server.came[0][0] == "/services/s3cr3t"
    server.answer = (404, {})
    with pytest.raises(ActionRefused) as caught:
        hook.act(event(2), None)
    assert caught.value.message == f"http://{server.address} answers 404"
    hook.close()


@pytest.mark.parametrize(
    ("status", "headers", "kind", "after_s"),
    [
        (200, {}, None, 0.0),
        (204, {}, None, 0.0),
        (301, {"Location": "http://127.0.0.1:1/"}, ActionRefused, 0.0),
        (400, {}, ActionRefused, 0.0),
        (401, {}, ActionRefused, 0.0),
        (404, {}, ActionRefused, 0.0),
        (408, {}, ActionFailed, 0.0),
        (429, {"Retry-After": "7"}, ActionFailed, 7.0),
        (500, {}, ActionFailed, 0.0),
        (503, {"Retry-After": "Tue, 14 Nov 2023 22:13:30 GMT"}, ActionFailed, 10.0),
        (503, {"Retry-After": "Tue, 14 Nov 2022 22:13:30 GMT"}, ActionFailed, 0.0),
        (503, {"Retry-After": "soon"}, ActionFailed, 0.0),
        (503, {"Retry-After": "-5"}, ActionFailed, 0.0),
        (503, {"Retry-After": "9" * 400}, ActionFailed, 0.0),
    ],
)
def test_answers(
    status: int, headers: dict[str, str], kind: type[AgentError] | None, after_s: float, server: Server
) -> None:
    """2xx is done, what may pass is tried again and not before the server says, all else is final."""
    server.answer = (status, headers)
    hook = opened(f"http://{server.address}/", lambda: 1_700_000_000.0)
    if kind is None:
        hook.act(event(), None)
    else:
        with pytest.raises(kind, match=f"answers {status}") as caught:
            hook.act(event(), None)
        assert getattr(caught.value, "after_s", 0.0) == after_s
    hook.close()
    assert len(server.came) == 1  # no redirection is followed


def test_a_connection_that_was_closed_meanwhile(server: Server) -> None:
    """The server closes after each answer without saying so: made again at once."""
    hook = opened(f"http://{server.address}/")
    hook.act(event(1), None)
    assert hook._connection is not None
    assert hook._connection.sock is not None
    hook._connection.sock.shutdown(socket.SHUT_RDWR)
    hook.act(event(2), None)
    assert [headers["Idempotency-Key"] for _, headers, _ in server.came] == ["f00d-1", "f00d-2"]
    hook.close()


def test_nobody_there() -> None:
    """Tried again later."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        hook = opened(f"http://127.0.0.1:{closed.getsockname()[1]}/")
        with pytest.raises(ActionFailed, match="refused"):
            hook.act(event(), None)
    with pytest.raises(ActionFailed):
        opened("http://no-such-host.invalid/").act(event(), None)


def test_tls(server: Server, tmp_path: Path) -> None:
    """With the authority that signed it events arrive; without it nothing is sent, and the hint names the option."""
    ca, cert, key = authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    hook = opened(f"https://localhost:{server.server_address[1]}/?ca_file={ca}")
    hook.act(event(1), None)
    hook.act(event(2), None)
    hook.close()
    assert len(server.came) == 2
    with pytest.raises(ActionFailed) as caught:
        opened(f"https://localhost:{server.server_address[1]}/").act(event(), None)
    assert "ca_file" in caught.value.hint
    assert len(server.came) == 2


@pytest.mark.parametrize(
    "text",
    [
        "http:///x",
        "http://host:port/",
        "https://example.org/?ca_file=/nowhere.pem",
        "https://example.org/?token_file=/nowhere",
        "https://example.org/a b",
        "https://example.org/a\x01",
    ],
)
def test_mistakes(text: str) -> None:
    """Said at the start."""
    with pytest.raises(BadRequest):
        opened(text)


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
