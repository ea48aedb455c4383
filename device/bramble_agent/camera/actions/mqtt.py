"""Events to an MQTT broker (paho-mqtt): JSON at QoS 1 to TOPIC, ``online`` or ``offline`` retained in TOPIC/state.

``offline`` is the last will, so the broker says it when this board loses power. An event is done when the broker has
acknowledged it. The connection is kept and made again beside the events, so that the state is right also where nothing
happens for days. MQTT 5, and 3.1.1 for a broker that knows no better.
"""

from __future__ import annotations

import json
import re
import secrets
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from ...errors import ActionFailed, BadRequest
from ..event import Event, event_json
from .mqtt_session import Broker, Message, Session
from .secret_file import read_secret
from .settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOWN = ("password_file", "ca_file", "cert_file", "key_file")
PORTS = {"mqtt": 1883, "mqtts": 8883}
SHAPE = "mqtt://USER@HOST:PORT/TOPIC?password_file=PATH"


class Mqtt:
    """An action."""

    pictures = False
    kept = True

    def __init__(self, address: str, settings: Settings) -> None:
        """``mqtt[s]://[user@]host[:port]/topic``. Raises BadRequest."""
        self._settings = settings
        self._at = _split(address)
        self._topic = unquote(self._at.path[1:])
        _check_topic(self._topic)
        self._session: Session | None = None

    def open(self) -> None:
        """Read the secrets and connect. Raises BadRequest for what will never work, ActionFailed."""
        self.close()
        session = Session(self._broker())
        session.start()
        self._session = session

    def _broker(self) -> Broker:
        at, password = self._at, self._settings.path("password_file")
        user = unquote(at.username or "")
        if password and not user:
            raise BadRequest("a password_file without a user", SHAPE)
        return Broker(
            at.hostname or "",
            at.port or PORTS[at.scheme],
            f"{self._topic}/state",
            f"bramble-{secrets.token_hex(6)}",
            user,
            read_secret(password) if password else "",
            self._tls() if at.scheme == "mqtts" else None,
        )

    def _tls(self) -> ssl.SSLContext:
        ca, cert, key = (self._settings.path(one) for one in ("ca_file", "cert_file", "key_file"))
        try:
            context = ssl.create_default_context(cafile=ca or None)
            if cert:
                context.load_cert_chain(cert, key or None)
        except OSError as error:  # of ssl as well
            files = ", ".join(one for one in (ca, cert, key) if one)
            raise BadRequest(f"{files}: {error.strerror or error}", "PEM files on this board") from None
        return context

    def act(self, event: Event, picture: NDArray[Any] | None) -> None:
        """Publish it, and wait for the broker. Raises ActionFailed, or ActionRefused where it may not be published."""
        if self._session is None:
            raise ActionFailed(f"{self._topic} is not open")
        payload = json.dumps(event_json(event), separators=(",", ":")).encode()
        self._session.send(Message(self._topic, payload))

    def close(self) -> None:
        """Say ``offline`` and disconnect."""
        session, self._session = self._session, None
        if session is not None:
            session.stop()


def _split(address: str) -> SplitResult:
    at = urlsplit(address)
    try:
        port = at.port
    except ValueError:
        port = 0
    if not at.hostname or port == 0 or at.query or at.fragment:
        raise BadRequest("that is no broker's address", SHAPE)
    if at.password is not None:
        raise BadRequest("a password in the address would be shown in the status and the unit", SHAPE)
    return at


def _check_topic(topic: str) -> None:
    if not topic or topic.startswith("$") or re.search(r"[+#\0]", topic) or len(topic.encode()) > 1_000:
        hint = "like mqtt://HOST/home/door/camera: no + and no #, not beginning with $"
        raise BadRequest(f"{topic[:80]!r} is no topic to publish to", hint)
