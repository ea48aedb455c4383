"""A real mosquitto on loopback, with TLS, users and access rules as asked for; and a second client that looks on."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from looking import until


class Mosquitto:
    """One broker; ``start`` and ``stop`` as often as wanted, always on the same port."""

    def __init__(self, folder: Path, lines: str = "allow_anonymous true\n") -> None:
        """Skips where it is not installed. ``lines`` follow the listener's."""
        self._program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        if self._program is None:
            pytest.skip("mosquitto is not installed")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nmax_queued_messages 100000\nuser root\n{lines}")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Up, and answering."""
        self._process = subprocess.Popen(
            [str(self._program), "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers)

    def stop(self) -> None:
        """Down, as a crash is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return True


def users(folder: Path, **passwords: str) -> str:
    """The lines that let these in and nobody else."""
    path = folder / "users"
    path.touch()
    for user, password in passwords.items():
        subprocess.run(["mosquitto_passwd", "-b", path, user, password], check=True, capture_output=True)
    path.chmod(0o644)
    folder.chmod(0o755)
    return f"allow_anonymous false\npassword_file {path}\n"


class Onlooker:
    """A client that remembers all that is published, by topic."""

    def __init__(self, port: int, setup: Callable[[Any], object] = id) -> None:
        """Connected. ``setup`` gets the client first."""
        self.came: dict[str, list[tuple[bytes, bool]]] = {}
        subscribed = threading.Event()
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.on_message = lambda _client, _data, message: self.came.setdefault(message.topic, []).append(
            (message.payload, message.retain)
        )
        client.on_subscribe = lambda *_: subscribed.set()
        client.on_connect = lambda one, *_: one.subscribe("#", qos=1)
        client.reconnect_delay_set(1, 1)
        setup(client)
        client.connect("localhost", port)
        client.loop_start()
        assert subscribed.wait(20.0)
        self._client = client

    def payloads(self, topic: str) -> list[bytes]:
        """What came to a topic."""
        return [payload for payload, _ in self.came.get(topic, [])]

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


def settled(count: Callable[[], int], seconds: float = 0.5) -> int:
    """A count once it does not change any more."""
    last, since = count(), time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.02)
        if count() != last:
            last, since = count(), time.monotonic()
    return last
