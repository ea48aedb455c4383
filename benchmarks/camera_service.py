"""Real parts around a supervised loop: the broker, somebody who listens to it, and the loop with its supervisor."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from camera_ids import told_id

from bramble_agent.camera.scratch import scratch
from bramble_agent.camera.supervise import RUN, Limits, supervise
from bramble_agent.codec import encode
from bramble_agent.oneself import HOME
from bramble_agent.wire import WIRE_VERSION
from bramble_agent.wire_camera import CameraAsk

LIMITS = Limits(most_pause_s=1.0, burst=1_000_000)
"""The product's, but for what follows on many failures within a minute: longer pauses, and giving up."""


class Broker:
    """A mosquitto on loopback that remembers, over its own end, who listens to it; always on the same port."""

    def __init__(self, folder: Path) -> None:
        """Not started."""
        found = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        if found is None:
            raise SystemExit("mosquitto is not installed: apt install mosquitto")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        lines = f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\nmax_queued_messages 1000000\n"
        lines += f"persistence true\npersistence_location {folder}/\n"
        (folder / "mosquitto.conf").write_text(lines, encoding="utf-8")
        self._command = [found, "-c", str(folder / "mosquitto.conf")]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Up, and taking connections."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(self._answers, 30.0, "the broker")

    def stop(self) -> None:
        """Down."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
            return True
        return False


class Listener:
    """A client with a lasting session that keeps the ids of the events that come to a topic, in order."""

    def __init__(self, port: int, topic: str) -> None:
        """Subscribed."""
        self.ids: list[str] = []
        subscribed = threading.Event()
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)
        client.on_message = lambda _client, _data, message: self.ids.append(json.loads(message.payload)["id"])
        client.on_subscribe = lambda *_: subscribed.set()
        client.on_connect = lambda one, *_: one.subscribe(topic, qos=1)
        client.reconnect_delay_set(1, 1)
        client.connect("127.0.0.1", port)
        client.loop_start()
        if not subscribed.wait(30.0):
            raise SystemExit("the broker does not let us listen")
        self._client = client

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


class Looping:
    """A loop that is started anew whenever it fails, by the product's supervisor; ``told`` holds (seconds, id)."""

    def __init__(self, ask: CameraAsk, file: Path) -> None:
        """Not started; the request is written to ``file``."""
        body = {"version": WIRE_VERSION, "ask": "camera", "body": encode(ask)}
        file.write_text(json.dumps(body), encoding="utf-8")
        self._command = [sys.executable, "-c", RUN, HOME, "--supervised", str(file)]
        self.told: list[tuple[float, str]] = []
        self.notes: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._supervise, self._read)]
        self._ours, theirs = os.pipe()
        self._theirs = os.fdopen(theirs, "w")

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def _supervise(self) -> None:
        with self._theirs:
            supervise(self._command, self._stop, self.notes.append, LIMITS, self._theirs)

    def _read(self) -> None:
        with os.fdopen(self._ours, "rb") as lines:
            for line in lines:
                found = told_id(line)
                if found:
                    self.told.append((time.monotonic(), found))

    @property
    def pid(self) -> int:
        """The loop's process, 0 while there is none."""
        with suppress(OSError):
            task = self._threads[0].native_id
            return int((Path(f"/proc/self/task/{task}/children").read_text().split() or ["0"])[0])
        return 0

    def kill(self) -> None:
        """End the loop as nothing else does."""
        os.kill(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End both in peace."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def parts(folder: Path, topic: str, ask: Callable[[str], CameraAsk]) -> Iterator[tuple[Broker, Listener, Looping]]:
    """Within, a broker is up, somebody listens and a loop is about to start; ``ask`` gets the action's string."""
    broker = Broker(folder)
    broker.start()
    listener = Listener(broker.port, topic)
    wanted = ask(f"mqtt://127.0.0.1:{broker.port}/{topic}")
    looping = Looping(wanted, folder / "camera.json")
    try:
        looping.start()
        yield broker, listener, looping
    finally:
        looping.stop()
        listener.close()
        broker.stop()
        shutil.rmtree(scratch(Path(wanted.root) / "camera" / f"{wanted.name}.spool"), ignore_errors=True)


def wait(holds: Callable[[], Any], seconds: float, what: str, look_s: float = 0.02) -> float:
    """Wait until something holds; the seconds that it took."""
    begin = time.monotonic()
    while not holds():
        if time.monotonic() - begin > seconds:
            raise SystemExit(f"{what}: not within {seconds:g} s")
        time.sleep(look_s)
    return time.monotonic() - begin


def settled(count: Callable[[], int], seconds: float = 2.0) -> None:
    """Wait until a count has not changed for so long."""
    last, since = count(), time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.05)
        if count() != last:
            last, since = count(), time.monotonic()
