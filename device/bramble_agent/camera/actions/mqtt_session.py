"""One connection to an MQTT broker, kept up by a thread of its own, which alone touches the socket.

A new paho client for each connection: what one left half-done never comes again out of the next. Others hand in what
is to be published and wait for the broker's PUBACK. Whatever a broker sends ends at most its own connection.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Deque, Dict

from ...errors import ActionFailed, ActionRefused, AgentError, BadRequest

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 15.0
CONNECT_S, ANSWER_S, GOODBYE_S = 10.0, 10.0, 2.0
KEEPALIVE_S = 30
LOOK_S = 1.0
MOST = 64 << 10
ONLINE, OFFLINE = b"online", b"offline"
NO_PASSWORD, NO_RIGHT, NO_VERSION = (134, 140), (135, 138), (132, 1)
NEVER = (135, 144, 149, 153, 154)
INSTALL = "install it on the board: pip install 'paho-mqtt>=2'"
NOT_YET_VALID = 9


@dataclass(frozen=True)
class Broker:
    """Where and as whom; ``tls`` is None where nothing is encrypted. No repr shows the password."""

    host: str
    port: int
    state_topic: str
    client_id: str
    user: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


class Message:
    """Something to publish at QoS 1, and what became of it."""

    def __init__(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Not sent yet."""
        self.topic, self.payload, self.retain = topic, payload, retain
        self.over = threading.Event()
        self.error: AgentError | None = None

    def end(self, error: AgentError | None = None) -> None:
        """It is acknowledged, or it failed."""
        self.error = error
        self.over.set()


def paho() -> Any:
    """The client's module. Raises BadRequest."""
    try:
        from paho.mqtt import client
    except ImportError as error:
        raise BadRequest("MQTT is spoken by paho-mqtt, which cannot be imported", INSTALL) from error
    if not hasattr(client, "CallbackAPIVersion"):
        raise BadRequest("the paho-mqtt on this board is older than version 2", INSTALL)
    return client


class Session:
    """Starts with ``start``; ``send`` may be called by any thread."""

    def __init__(self, broker: Broker) -> None:
        """Nothing is begun."""
        self._broker = broker
        self._paho = paho()
        self._five, self._answered, self._welcome = True, False, False
        self._client: Any = None
        self._outbox: Deque[Message] = deque()
        self._sent: Dict[int, Message] = {}
        self._lock = threading.Lock()
        self._up, self._tried, self._stop, self._broken = (threading.Event() for _ in range(4))
        self._why: AgentError = ActionFailed(f"{broker.name} was not reached yet")
        self._ears, self._bell = socket.socketpair()
        self._bell.setblocking(False)
        self._ears.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"mqtt {broker.host}", daemon=True)

    # ---- for others

    def start(self) -> None:
        """Connect. Raises BadRequest where the broker will never take us, ActionFailed where it may later."""
        self._thread.start()
        self._tried.wait(CONNECT_S + KEEPALIVE_S)
        if not self._up.is_set():
            self.stop()
            raise self._why

    def send(self, message: Message, timeout_s: float = ANSWER_S) -> None:
        """Publish, and wait for the broker's acknowledgement. Raises ActionFailed or ActionRefused."""
        if not self._up.wait(timeout_s):
            raise ActionFailed(self._why.message, self._why.hint)
        with self._lock:
            self._outbox.append(message)
        self._ring()
        if not message.over.wait(timeout_s):
            self._up.clear()  # its answer may never come: a new connection
            self._broken.set()
            self._ring()
            raise ActionFailed(f"{self._broker.name} did not acknowledge for {timeout_s:g} s")
        if message.error is not None:
            raise message.error

    def stop(self) -> None:
        """Say goodbye, for a short time at most."""
        self._stop.set()
        self._ring()
        if self._thread.ident is not None:
            self._thread.join(GOODBYE_S + LOOK_S)
        if not self._thread.is_alive():
            self._bell.close()
            self._ears.close()

    def _ring(self) -> None:
        with suppress(OSError):  # rung already, or closed
            self._bell.send(b"!")

    # ---- the session's own thread

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stop.is_set():
            five = self._five
            try:
                self._connect()
                self._serve()
            except AgentError as error:
                self._why = error
            except OSError as error:
                self._why = _told(self._broker, error)
            except Exception as error:  # noqa: BLE001 - the thread's border: a broker's bytes may break paho anywhere
                self._why = ActionFailed(f"{self._broker.name} does not speak MQTT ({type(error).__name__})")
            self._end()
            if five and not self._five:
                continue  # the older version at once
            self._tried.set()
            pause_s = FIRST_PAUSE_S if self._welcome else min(2.0 * pause_s, LONGEST_PAUSE_S)
            self._stop.wait(pause_s)

    def _connect(self) -> None:
        paho, broker = self._paho, self._broker
        protocol = paho.MQTTv5 if self._five else paho.MQTTv311
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=broker.client_id, protocol=protocol)
        client.on_connect, client.on_publish, client.on_disconnect = self._welcomed, self._acknowledged, self._parted
        client.connect_timeout = CONNECT_S
        client.will_set(broker.state_topic, OFFLINE, qos=1, retain=True)
        if broker.user:
            client.username_pw_set(broker.user, broker.password or None)
        if broker.tls is not None:
            client.tls_set_context(broker.tls)
        self._client, self._answered, self._welcome = client, False, False
        self._why = ActionFailed(f"{broker.name} closed the connection")
        client.connect(broker.host, broker.port, KEEPALIVE_S)

    def _serve(self) -> None:
        """Read and write until the connection is over."""
        begin, goodbye = time.monotonic(), 0.0
        while True:
            self._wait()
            if self._client.socket() is None:
                break
            if self._broken.is_set():
                raise ActionFailed(f"{self._broker.name} did not acknowledge")
            if not self._welcome and time.monotonic() - begin > CONNECT_S:
                raise ActionFailed(f"{self._broker.name} takes connections, and does not answer")
            if self._stop.is_set() and not goodbye:
                goodbye = time.monotonic() + GOODBYE_S
                if self._welcome:
                    self._publish(Message(self._broker.state_topic, OFFLINE, retain=True))
            if self._stop.is_set() and (not self._sent or time.monotonic() > goodbye):
                self._client.disconnect()
                break
        if not self._answered and not self._stop.is_set():
            self._five = not self._five

    def _wait(self) -> None:
        """Do what there is to do, or wait for it."""
        client, sock = self._client, self._client.socket()
        pending = bool(getattr(sock, "pending", int)())
        readers, writers, _ = select.select(
            [sock, self._ears], [sock] if client.want_write() else [], [], 0.0 if pending else LOOK_S
        )
        if self._ears in readers:
            with suppress(BlockingIOError):
                self._ears.recv(4_096)
        if (sock in readers or pending) and client.loop_read():
            return
        if writers and client.loop_write():
            return
        if client.loop_misc() or not self._up.is_set():
            return
        with self._lock:
            messages, self._outbox = self._outbox, deque()
        for message in messages:
            self._publish(message)

    def _publish(self, message: Message) -> None:
        info = self._client.publish(message.topic, message.payload, qos=1, retain=message.retain)
        self._sent[info.mid] = message

    def _welcomed(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._answered = True
        if reason.is_failure:
            if reason.value in NO_VERSION:
                self._five = not self._five
            self._why = _refused(self._broker, reason)
            self._sent.clear()
            client.disconnect()
            return
        self._publish(Message(self._broker.state_topic, ONLINE, retain=True))
        self._welcome = True
        self._up.set()
        self._tried.set()

    def _acknowledged(self, _client: Any, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        message = self._sent.pop(mid, None)
        if message is None:
            return
        if not getattr(reason, "is_failure", False):
            message.end()
            return
        kind = ActionRefused if reason.value in NEVER else ActionFailed
        hint = "the broker's access rules must let this user publish there"
        message.end(kind(f"{self._broker.name} does not take {message.topic}: {reason}", hint))

    def _parted(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self._why = ActionFailed(f"{self._broker.name} sent us away: {reason}")

    def _end(self) -> None:
        """Let go of a connection; what was not acknowledged has failed."""
        self._up.clear()
        self._broken.clear()
        sock = self._client.socket() if self._client is not None else None
        if sock is not None:
            with suppress(OSError):
                sock.close()
        self._client = None
        with self._lock:
            waiting = [*self._sent.values(), *self._outbox]
            self._sent.clear()
            self._outbox.clear()
        for message in waiting:
            message.end(ActionFailed(self._why.message, self._why.hint))


def _refused(broker: Broker, reason: Any) -> AgentError:
    """Why a broker did not let us in, and what to do."""
    who = f"the user {broker.user!r}" if broker.user else "a client without a user"
    if reason.value in NO_PASSWORD:
        return BadRequest(
            f"{broker.name} does not take {who} with this password",
            "give mqtt://USER@HOST/TOPIC?password_file=PATH, and look into the broker's own password file",
        )
    if reason.value in NO_RIGHT:
        return BadRequest(
            f"{broker.name} does not let {who} in",
            "give mqtt://USER@HOST/TOPIC?password_file=PATH, or let this user in by the broker's access rules",
        )
    return ActionFailed(f"{broker.name} does not let us in: {reason}")


def _told(broker: Broker, error: OSError) -> AgentError:
    """What an error of the network means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == NOT_YET_VALID:
            return ActionFailed(f"{broker.name}: {error.verify_message}", "is this board's clock set?")
        hint = "give the authority that signed it by ?ca_file=PATH, and the host's name as it stands there"
        return BadRequest(f"{broker.name} is not to be trusted: {error.verify_message}", hint)
    if isinstance(error, ssl.SSLError):
        return ActionFailed(f"{broker.name}: {error.reason or 'no TLS'}", "does that port speak TLS? (8883 is usual)")
    why = error.strerror or str(error) or type(error).__name__
    return ActionFailed(f"{broker.name}: {why}", "is the broker there, and can this board reach it?")
