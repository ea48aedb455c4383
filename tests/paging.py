"""A live page for tests: a loop's state that the test sets, the page that shows it, and raw requests to it."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np

from bramble_agent.camera.control import Command
from bramble_agent.camera.decide import Decider
from bramble_agent.camera.event import Box, Prediction, Sight
from bramble_agent.camera.frame import Format, Frame
from bramble_agent.camera.looker import Hooks
from bramble_agent.camera.page import serve
from bramble_agent.camera.page.preview import Preview
from bramble_agent.camera.page.serve import Inside, paged
from bramble_agent.camera.stats import Stats
from bramble_agent.wire_camera import CameraAsk, CameraStatus, Decide

LABELS = ("cat", "dog", 'a "bird"\\\n', "<b>même</b>")
FORM = Format(64, 48, "rgb")


@dataclass
class Page:
    """A page that is up; ``stats`` and ``captured`` are the loop's, ``hooks`` what the loop would call."""

    stats: Stats
    decider: Decider
    captured: dict[str, int]
    hooks: Hooks = field(default_factory=Hooks)
    preview: Preview = field(default_factory=lambda: Preview(Decide))
    commands: list[Command] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.stats.page.rpartition(":")[2])

    def handle(self, command: Command) -> CameraStatus:
        """As the loop does."""
        self.commands.append(command)
        self.decider.tune(command.tuning)
        return self.stats.snapshot()

    def predict(self, number: int, score: float = 0.75, box: Box | None = None) -> None:
        """A frame came and was predicted."""
        self.captured["frames"] += 1
        raw = np.full(FORM.width * FORM.height * 3, number * 40 % 256, np.uint8)
        frame = Frame(number, raw, FORM, time.monotonic_ns())
        self.stats.predicted(time.monotonic_ns())
        self.stats.ages["inference"].record(20_000_000)
        sights = (Sight("cat", score, box), Sight("dog", 1 - score))
        self.hooks.prediction(Prediction(number, "r1", sights, 1.0, 20.0, 5.0), frame)
        self.hooks.tick()

    def get(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, bytes, Any]:
        """Status, body and headers of an answer; header names are written with underscores."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        client.request(method, path, data, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = client.getresponse()
        got = answer.read()
        client.close()
        return answer.status, got, answer.headers

    def raw(self, data: bytes, end: bool = True) -> bytes:
        """What comes back for these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            try:
                client.sendall(data)
                if end:
                    client.shutdown(socket.SHUT_WR)
                got = b""
                while block := client.recv(65536):
                    got += block
            except (ConnectionResetError, BrokenPipeError):
                pass
            return got

    def key(self, **headers: str) -> dict[str, str]:
        """Headers with which the page itself posts."""
        _, body, _ = self.get("/", **headers)
        key = body.decode().partition('name="key" content="')[2].partition('"')[0]
        return {"X_Bramble_Key": key, "Origin": f"http://127.0.0.1:{self.port}", **headers}


@contextmanager
def page(**ask: Any) -> Iterator[Page]:
    """A page on a free port of loopback, if ``ask`` says nothing else."""
    stats, decider = Stats("door", "abc123", "rtsp://me:hush@camera/1"), Decider(LABELS, Decide(), "abc123")
    made = Page(stats, decider, {"frames": 0, "late": 2})
    stats.captured, stats.decide = lambda: made.captured, lambda: made.decider.how
    stats.release = "r1"
    asked = CameraAsk("b", "s", **{"page": "127.0.0.1:0", **ask})
    made.preview = Preview(lambda: made.decider.how)
    inside = Inside(stats, made.handle, lambda: LABELS)
    with mock.patch.object(serve, "Preview", return_value=made.preview), paged(asked, inside, Hooks()) as hooks:
        made.hooks = hooks
        yield made
