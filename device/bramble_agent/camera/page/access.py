"""Who may look, and who may change something.

    Host     must be an address or a name of this board: a foreign name that leads here is DNS rebinding
    token    on any address but loopback; as ``Authorization: Bearer``, or once in the form, which sets a cookie
    POST     from the page itself (Origin) and with the key that only the page holds, or with the Bearer token

The cookie is not the token: it is made of it, for this run of the loop. Comparisons take as long for right as for
wrong.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Mapping
from typing import Optional

HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")
KEY_HEADER = "X-Bramble-Key"


class Access:
    """Judges requests by their headers; a header that came twice is to be given as None by whoever collects them."""

    def __init__(self, host: str, token: str, run: str) -> None:
        """``host`` is what the page listens on; with ``token`` "" it is open."""
        self.key = secrets.token_urlsafe(24)
        self.cookie_name = f"bramble-{run}"
        self.cookie = hmac.new(token.encode(), f"{run} {self.key}".encode(), "sha256").hexdigest()
        self._token = token
        self._loopback = is_loopback(host)
        self._names = {"localhost"} if self._loopback else {"localhost", host.lower(), *_own_names()}

    def known_host(self, host: Optional[str]) -> bool:
        """Whether a Host header names this board."""
        match = HOST.fullmatch(host or "")
        if match is None:
            return False
        name = match.group(1).strip("[]").lower()
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return address.is_loopback or not self._loopback

    def may_look(self, headers: Mapping[str, Optional[str]]) -> bool:
        """Whether a request with these headers may see anything."""
        return not self._token or self._bearer(headers) or self._has_cookie(headers)

    def may_change(self, headers: Mapping[str, Optional[str]]) -> bool:
        """Whether a request with these headers may change something."""
        if self._token and self._bearer(headers):
            return headers.get("Origin") in (None, _origin(headers))
        return self.may_look(headers) and self.same_origin(headers) and _same(headers.get(KEY_HEADER), self.key)

    def same_origin(self, headers: Mapping[str, Optional[str]]) -> bool:
        """Whether the browser says that the request is the page's own."""
        return bool(headers.get("Origin")) and headers.get("Origin") == _origin(headers)

    def is_token(self, given: str) -> bool:
        """Whether that is the token."""
        return bool(self._token) and _same(given, self._token)

    def _bearer(self, headers: Mapping[str, Optional[str]]) -> bool:
        kind, _, given = (headers.get("Authorization") or "").partition(" ")
        return kind.lower() == "bearer" and self.is_token(given.strip())

    def _has_cookie(self, headers: Mapping[str, Optional[str]]) -> bool:
        pairs = (pair.strip().partition("=") for pair in (headers.get("Cookie") or "").split(";"))
        return any(name == self.cookie_name and _same(value, self.cookie) for name, _, value in pairs)


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach that address."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own_names() -> set[str]:
    name = socket.gethostname().lower()
    return {name, name.partition(".")[0], f"{name.partition('.')[0]}.local"}


def _origin(headers: Mapping[str, Optional[str]]) -> str:
    return f"http://{headers.get('Host')}"


def _same(given: Optional[str], wanted: str) -> bool:
    return hmac.compare_digest((given or "").encode("utf-8", "replace"), wanted.encode())
