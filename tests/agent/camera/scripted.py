"""A source that does what a list says, and a clock that goes only when somebody waits."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bramble_agent.camera.frame import Format, Frame
from bramble_agent.wire import Pixels

GRAY = Format(4, 2, "gray")


class Clock:
    """Seconds that pass by ``wait`` and ``advance``."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        """The time."""
        return self.now

    def wait(self, seconds: float) -> None:
        """Wait no time at all."""
        self.waits.append(seconds)
        self.now += seconds


class Scripted:
    """Reads what ``script`` holds: a number is a frame, an error is raised, a function is called, None is the end.

    ``openings`` are errors (or None) of the openings in turn; later ones succeed.
    """

    def __init__(self, script: Iterable[Any], live: bool = True, openings: Iterable[Any] = ()) -> None:
        self.script, self.live, self.openings = iter(script), live, iter(openings)
        self.calls: list[str] = []
        self.wanted: list[tuple[Pixels, ...]] = []
        self.thread: threading.Thread | None = None
        self._raw = np.zeros(8, np.uint8)

    def open(self) -> Format:
        """As the script says."""
        self.calls.append("open")
        self.thread = threading.current_thread()
        error = next(self.openings, None)
        if error is not None:
            raise error
        return GRAY

    def read(self) -> Frame | None:
        """As the script says; every frame is in the same buffer and holds its number."""
        assert threading.current_thread() is self.thread
        entry = next(self.script, None)
        while callable(entry):
            entry()
            entry = next(self.script, None)
        if isinstance(entry, Exception):
            raise entry
        if entry is None:
            return None
        self._raw[:] = entry % 256
        return Frame(entry, self._raw, GRAY, 0)

    def want(self, wanted: Sequence[Pixels]) -> None:
        """Noted."""
        assert threading.current_thread() is self.thread or "open" not in self.calls
        self.wanted.append(tuple(wanted))

    def close(self) -> None:
        """Noted."""
        self.calls.append("close")
