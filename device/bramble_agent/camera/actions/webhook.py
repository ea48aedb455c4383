"""Events as HTTP POSTs of JSON to a server, over one connection that is kept open.

``Idempotency-Key`` is the event's id: a server that saw it already need do nothing. 2xx is done; 408, 429, 5xx and a
network that fails are tried again (no sooner than ``Retry-After``); any other answer is final. An answer is read for
at most ``timeout`` seconds in all and MOST bytes. Redirections are not followed: they would carry the token elsewhere.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import threading
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import urlsplit

from ... import __version__
from ...errors import ActionFailed, ActionRefused, BadRequest
from ..event import Event, event_json
from .secret_file import read_secret
from .settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOWN = ("token_file", "url_file", "ca_file", "timeout")
MOST = 64 << 10
AGAIN = (408, 425, 429)


class Webhook:
    """An action. ``clock`` is seconds since 1970."""

    pictures = False
    kept = True

    def __init__(self, address: str, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        """``token_file`` holds a bearer token, ``url_file`` an address that is a secret, in place of this one."""
        self._address, self._settings, self._clock = address, settings, clock
        self._timeout_s = settings.seconds("timeout", 10.0, 300.0)
        self._token = self._path = self._name = ""
        self._connection: http.client.HTTPConnection | None = None

    def open(self) -> None:
        """Read the secrets; no connection is made before there is an event. Raises BadRequest."""
        self.close()
        at = self._settings.path("url_file")
        parts = urlsplit(read_secret(at) if at else self._address)
        try:
            port = parts.port
        except ValueError:
            raise BadRequest("that port is no number", "https://HOST:PORT/PATH") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise BadRequest("a webhook is an address like https://HOST/PATH", "a token goes into ?token_file=PATH")
        self._name = f"{parts.scheme}://{parts.hostname}" + (f":{port}" if port else "")
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not re.fullmatch(r"[!-~]+", self._path):
            raise BadRequest(f"the path on {self._name} has characters that no address has", "write them as %XX")
        token = self._settings.path("token_file")
        self._token = read_secret(token) if token else ""
        if not self._token.isascii():
            raise BadRequest(f"{token} holds no token", "tokens are of ASCII characters")
        self._connection = self._connected(parts.scheme, parts.hostname, port)

    def _connected(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        if scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._timeout_s)
        at = self._settings.path("ca_file")
        try:
            trust = ssl.create_default_context(cafile=at or None)
        except OSError as error:
            raise BadRequest(f"{at}: {error.strerror or error}", "a PEM file of the authority that signed it") from None
        return http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=trust)

    def act(self, event: Event, picture: NDArray[Any] | None) -> None:
        """Send it. Raises ActionFailed where it is to be tried again, ActionRefused where the server will never."""
        body = json.dumps(event_json(event)).encode()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": event.id,
            "User-Agent": f"bramble/{__version__}",
        }
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            status, after = self._posted(body, headers)
        except ssl.SSLCertVerificationError as error:
            self._drop()
            raise ActionFailed(f"{self._name}: {error.verify_message}", "give its authority by ?ca_file=") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._drop()
            raise ActionFailed(f"{self._name}: {_why(error)}", "is it there, and can this board reach it?") from None
        if status in AGAIN or status >= 500:
            raise ActionFailed(f"{self._name} answers {status}", "it will be tried again", self._after_s(after))
        if not 200 <= status < 300:
            raise ActionRefused(f"{self._name} answers {status}", _hint(status))

    def _posted(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """The status and Retry-After. A connection that the server closed meanwhile is made once more."""
        if self._connection is None:
            self.open()
            return self._posted(body, headers)
        fresh = self._connection.sock is None
        try:
            return self._asked(self._connection, body, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self._drop()
            if fresh:
                raise
        return self._asked(self._connection, body, headers)

    def _asked(self, connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        # a timeout of the socket is for each read: a server that sends a byte now and then would hold us for ever
        end = threading.Timer(self._timeout_s, _cut, (connection,))
        end.daemon = True
        end.start()
        try:
            connection.request("POST", self._path, body, headers)
            with connection.getresponse() as answer:
                whole = len(answer.read(MOST)) < MOST and not answer.will_close and answer.isclosed()
        finally:
            end.cancel()
        if not whole:
            self._drop()
        return answer.status, answer.getheader("Retry-After", "")

    def _after_s(self, text: str) -> float:
        if re.fullmatch(r"[0-9]{1,6}", text):
            return float(text)
        with suppress(ValueError, TypeError, OverflowError):
            return max(0.0, parsedate_to_datetime(text).timestamp() - self._clock())
        return 0.0

    def _drop(self) -> None:
        """Close the connection; the next request makes another."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()

    def close(self) -> None:
        """Close the connection."""
        self._drop()
        self._connection = None


def _cut(connection: http.client.HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _why(error: Exception) -> str:
    """What went wrong, without what a server sent: that may be anything."""
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return f"no HTTP answer ({type(error).__name__})"


def _hint(status: int) -> str:
    if status in (401, 403):
        return "does it want another token? it is read from ?token_file= at the start"
    if 300 <= status < 400:
        return "it has moved: give its new address"
    return "the server will not take this event; is the path right?"
