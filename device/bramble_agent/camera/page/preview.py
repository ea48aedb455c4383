"""The preview: one picture is encoded for all who watch, and none while nobody does.

The loop only copies a frame when one is wanted; a thread encodes it; every viewer's own thread sends the newest there
is. Encoding has a share of the processor: where a picture is dear, fewer are made.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import Busy, FrameDamaged
from ...wire_camera import Decide
from ..event import Prediction
from ..frame import Frame
from .draw import Painter

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_FPS = 10.0
MOST_VIEWERS = 4
SHARE, MOST_OF_A_CORE = 0.08, 0.3  # of all cores' time, and of one core's
ENDING_S = 2.0


def share(cores: int) -> float:
    """How much of one core's time encoding may take: so little that a loop on all cores hardly feels it."""
    return min(SHARE * cores, MOST_OF_A_CORE)


class Preview:
    """``offer`` is for the loop's thread; viewers have threads of their own."""

    def __init__(self, decide: Callable[[], Decide], cores: int | None = None) -> None:
        """Nobody watches, and no thread runs."""
        self.encoded = 0
        self._decide = decide
        self._share = share(cores or len(os.sched_getaffinity(0)))
        self._change = threading.Condition()
        self._wanted = self._over = False
        self._viewers = 0
        self._held: tuple[Frame, Prediction] | None = None
        self._buffer: NDArray[Any] = np.empty(0, np.uint8)
        self._picture: bytes = b""
        self._thread: threading.Thread | None = None

    def offer(self, told: Prediction, frame: Frame) -> None:
        """Take a copy of a frame if one is wanted."""
        if not self._wanted:
            return
        with self._change:
            self._wanted = False
            if self._buffer.size < frame.raw.size:
                self._buffer = np.empty(frame.raw.size, np.uint8)
            raw = self._buffer[: frame.raw.size]
            np.copyto(raw, frame.raw)
            self._held = replace(frame, raw=raw), told
            self._change.notify_all()

    @contextmanager
    def watching(self) -> Iterator[Callable[[float], bytes]]:
        """Within, pictures are made: gives a function that waits for one that this viewer has not had.

        It takes seconds to wait and gives b"" where none comes in time. Raises Busy where too many watch.
        """
        with self._change:
            if self._viewers >= MOST_VIEWERS or self._over:
                raise Busy(f"{self._viewers} watch already", "close a page, or look at /preview.jpg later")
            self._viewers += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="preview", daemon=True)
                self._thread.start()
            self._change.notify_all()
        had = self.encoded

        def newest(seconds: float) -> bytes:
            nonlocal had
            with self._change:
                if not self._change.wait_for(lambda: self.encoded != had or self._over, seconds) or self._over:
                    return b""
                had = self.encoded
                return self._picture

        try:
            yield newest
        finally:
            with self._change:
                self._viewers -= 1
                if not self._viewers:
                    self._wanted = False

    def stop(self) -> None:
        """Send everybody home."""
        with self._change:
            self._over, self._wanted = True, False
            self._change.notify_all()
        if self._thread is not None:
            self._thread.join(ENDING_S)

    @property
    def over(self) -> bool:
        """No picture will come any more."""
        return self._over

    # ---- the thread that encodes

    def _work(self) -> None:
        painter, due_s = Painter(), 0.0
        while True:
            held = self._next(due_s)
            if held is None:
                return
            start_s, start_cpu_s = time.monotonic(), time.thread_time()
            try:
                picture = painter.jpeg(held[0], held[1], self._decide())
            except FrameDamaged:
                picture = b""
            due_s = start_s + max(1.0 / MOST_FPS, (time.thread_time() - start_cpu_s) / self._share)
            if picture:
                with self._change:
                    self._picture = picture
                    self.encoded += 1
                    self._change.notify_all()

    def _next(self, due_s: float) -> tuple[Frame, Prediction] | None:
        """The next frame to encode, not before ``due_s``; None at the end."""
        with self._change:
            self._held = None
            while not self._over:
                if not self._viewers:
                    self._change.wait()
                elif time.monotonic() < due_s:
                    self._change.wait(due_s - time.monotonic())
                elif self._held is not None:
                    return self._held
                else:
                    self._wanted = True
                    self._change.wait()
            return None
