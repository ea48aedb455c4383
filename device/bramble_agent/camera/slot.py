"""Where frames are handed from the capture thread to the loop: newest wins, or one after the other.

Three buffers are used in turn (one is written, one waits, one is looked at), so a source may take its own back at once
and no array is made per frame.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Dict, List

import numpy as np

from .frame import Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

CAUSES = ("late", "missed", "damaged", "lost")


class Slot:
    """``counts`` holds "frames" that came whole and what was dropped, by cause.

    "late": a newer frame came before anybody had time; "missed": the source itself skipped it; "damaged": it could not
    be used; "lost": how often the source went away.
    """

    def __init__(self) -> None:
        self.counts: Dict[str, int] = dict.fromkeys(("frames", *CAUSES), 0)
        self._changed = threading.Condition()
        self._buffers: List[NDArray[Any]] = [np.empty(0, np.uint8) for _ in range(3)]
        self._ready: Frame | None = None
        self._ready_at = self._taken_at = -1
        self._finished = False
        self._error: Exception | None = None

    @property
    def ended(self) -> bool:
        """No frame will come any more, and none waits."""
        with self._changed:
            return self._finished and self._ready is None

    def put(self, frame: Frame, newest: bool, stop: threading.Event) -> None:
        """Copy a frame and hand it over: in place of one that still waits (``newest``), or once that is taken."""
        with self._changed:
            at = next(at for at in range(3) if at not in (self._ready_at, self._taken_at))
        kept = self._copied(frame, at)
        with self._changed:
            while self._ready is not None and not newest and not stop.is_set():
                self._changed.wait(1)
            if stop.is_set():
                return
            self.counts["frames"] += 1
            self.counts["late"] += self._ready is not None
            self._ready, self._ready_at = kept, at
            self._changed.notify_all()

    def _copied(self, frame: Frame, at: int) -> Frame:
        if self._buffers[at].size < frame.raw.size:
            self._buffers[at] = np.empty(frame.raw.size, np.uint8)
        raw = self._buffers[at][: frame.raw.size]
        np.copyto(raw, frame.raw)
        return replace(frame, raw=raw)

    def take(self, timeout_s: float) -> Frame | None:
        """The frame that waits, or that comes in time; it is valid until the next call. Raises what ended it all."""
        with self._changed:
            if self._ready is None and not self._finished:
                self._changed.wait(timeout_s)
            frame, self._ready = self._ready, None
            if frame is not None:
                self._taken_at, self._ready_at = self._ready_at, -1
                self._changed.notify_all()
            elif self._error is not None:
                raise self._error
            return frame

    def count(self, cause: str, more: int = 1) -> None:
        """One more of a cause."""
        with self._changed:
            self.counts[cause] += more

    def finish(self, error: Exception | None = None) -> None:
        """Nothing comes any more, because of an error or because the source ended."""
        with self._changed:
            self._finished, self._error = True, error
            self._changed.notify_all()

    def wake(self) -> None:
        """Let whoever waits look whether it should still wait."""
        with self._changed:
            self._changed.notify_all()
