"""A camera loop on the guest, driven as ``bramble camera run`` drives it, and heard in a thread beside the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bramble.fleet.camera.place import look
from bramble.fleet.camera.request import on_board
from bramble.fleet.camera.swap import control
from bramble.fleet.camera.watch import watch
from bramble.fleet.connect import connect
from bramble_agent.wire_camera import CameraAnswer, CameraAsk, CameraStatus, ControlAsk

from .guest import VIDEO, Guest

PATIENCE_S = 120.0
PAUSE_S = 0.5


class Loop:
    """A loop that runs; ``answer`` is there once it has ended."""

    def __init__(self, guest: Guest, source: str, **more: Any) -> None:
        """Of ``looping``."""
        self.answer: CameraAnswer | None = None
        self.over = threading.Event()
        self._guest = guest
        self._lines: list[dict[str, Any]] = []
        self._error: BaseException | None = None
        self._ask = on_board(CameraAsk("", source, **more), look(guest.connection, guest.board))
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        try:
            with connect(self._guest.board) as connection:
                self.answer = watch(connection, self._guest.board, self._ask, self._lines.append, self.over.is_set)
        except BaseException as error:  # noqa: BLE001 - told by whoever waits for a line
            self._error = error

    def came(self) -> int:
        """How many frames were told of."""
        return len(self._lines)

    def last(self) -> dict[str, Any]:
        """The latest line of a frame."""
        return self._lines[-1]

    def wait(self, true: Callable[[], object], what: str) -> None:
        """Until it is so. Raises what ended the loop, AssertionError where it is never so."""
        until = time.monotonic() + PATIENCE_S
        while not true():
            if self._error is not None:
                raise self._error
            assert self.thread.is_alive(), f"the loop ended, but {what}"
            assert time.monotonic() < until, f"{what}; its status: {self.status()}"
            time.sleep(PAUSE_S)

    def more(self, count: int = 5) -> list[dict[str, Any]]:
        """The next so many lines."""
        first = self.came()
        self.wait(lambda: self.came() >= first + count, "no further frames come")
        return self._lines[first:]

    def status(self) -> CameraStatus:
        """What it says of itself. Raises what ended it."""
        if self._error is not None:
            raise self._error
        return control(self._guest.connection, self._guest.board, ControlAsk(self._ask.root, self._ask.name))

    def in_trouble(self, words: str) -> CameraStatus:
        """Its status, once its trouble has these words."""
        seen: list[CameraStatus] = []

        def troubled() -> bool:
            seen.append(self.status())
            return words in seen[-1].trouble

        self.wait(troubled, f"its trouble is not {words!r}")
        return seen[-1]


@contextmanager
def looping(guest: Guest, source: str = f"v4l2:{VIDEO}", **more: Any) -> Iterator[Loop]:
    """A loop whose frames come, ended at the end; ``more`` are fields of CameraAsk."""
    loop = Loop(guest, source, **more)
    loop.thread.start()
    try:
        loop.more(1)
        yield loop
    finally:
        loop.over.set()
        loop.thread.join(PATIENCE_S)
        assert not loop.thread.is_alive(), "the loop does not end"
