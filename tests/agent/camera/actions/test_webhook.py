"""Webhooks against real servers on loopback: requests, answers, TLS, and servers that misbehave."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent.camera.actions.certificates import authority
from agent.camera.actions.making_events import event, made, secret
from bramble_agent.camera.actions.webhook import Webhook
from bramble_agent.camera.event import event_json
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
    assert json.loads(body) == event_json(event(1))
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
