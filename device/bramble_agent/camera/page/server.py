"""An HTTP server whose sizes and times are bounded: so many connections, one request each, so long for it to come.

The standard library's, without its log (requests carry tokens) and without its look-up of the machine's name.
"""

from __future__ import annotations

import io
import socket
import socketserver
import sys
import threading
import time
import traceback
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

MOST = 24  # connections at once
REQUEST_S = 10.0  # for a whole request to come
ANSWER_S = 10.0  # for an answer, or one picture of the preview, to be taken
FULL = b"HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 2\r\n\r\n"


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves in threads; what is too much is told so at once."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 16

    def __init__(self, host: str, port: int, handler: type[Timed]) -> None:
        """Listen. Raises OSError."""
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._room = threading.BoundedSemaphore(MOST)
        super().__init__((host, port), handler)

    @property
    def address(self) -> str:
        """host:port where it listens."""
        host, port = self.server_address[:2]
        name = host.decode() if isinstance(host, (bytes, bytearray)) else host
        return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, if there is room for another."""
        if self._room.acquire(blocking=False):
            try:
                super().process_request(request, client_address)
            except RuntimeError:  # no thread can be started
                self._room.release()
                self.shutdown_request(request)
            return
        request.settimeout(0.0)
        with suppress(OSError):
            request.send(FULL)
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error; a bug is told on stderr."""
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()


class _Coming(io.RawIOBase):
    """Bytes from a socket until a moment."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._sock, self._until = sock, time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        self._sock.settimeout(max(0.001, self._until - time.monotonic()))
        return self._sock.recv_into(into)


class Timed(BaseHTTPRequestHandler):
    """One request; silent."""

    server_version, sys_version = "bramble", ""
    protocol_version = "HTTP/1.0"

    def setup(self) -> None:
        """Read against the clock."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rfile.close()
        self.rfile = io.BufferedReader(_Coming(self.connection, REQUEST_S))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""

    def version_string(self) -> str:
        """Without versions."""
        return self.server_version

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """In plain text; what was asked for is not repeated."""
        self.answer(int(code), "text/plain; charset=utf-8", f"{self.responses.get(code, ('error',))[0]}\n".encode())

    def answer(self, code: int, kind: str, body: bytes, **headers: str) -> None:
        """A whole answer."""
        self.begin(
            code, kind, {"Content-Length": str(len(body)), **{k.replace("_", "-"): v for k, v in headers.items()}}
        )
        if self.command != "HEAD":
            self.give(body)

    def begin(self, code: int, kind: str, headers: dict[str, str]) -> None:
        """Status and headers."""
        self.close_connection = True
        self.send_response_only(code)
        for name, value in {"Content-Type": kind, **SAFE, **headers}.items():
            self.send_header(name, value)
        if self.request_version == "HTTP/0.9":
            return
        self.connection.settimeout(ANSWER_S)
        self.end_headers()

    def give(self, data: bytes) -> None:
        """Send bytes; raises OSError where they are not taken in time."""
        self.connection.settimeout(ANSWER_S)
        self.wfile.write(data)


SAFE = {
    "Server": "bramble",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" a form posts without its origin
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}
