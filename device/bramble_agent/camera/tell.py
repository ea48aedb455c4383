"""The lines of a loop: JSON objects, one a frame or one an event, to somebody who may read slowly.

Lines of a live source go through a queue and a thread: where the reader is too slow, lines are left out and counted,
and the loop goes on. Lines of a file are written by the loop itself, every one of them.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from ..codec import encode
from .event import Event, Prediction, event_json

WAITING = 1_000
CLOSING_S = 2.0
DIGITS = 6

Write = Callable[[Any], None]


def frame_line(prediction: Prediction) -> dict[str, Any]:
    """The line of a frame: its best label and score (null where nothing was seen), its age, and all sights."""
    best = prediction.sights[0] if prediction.sights else None
    return {
        "frame": prediction.frame,
        **({"picture": prediction.picture} if prediction.picture else {}),
        "age_ms": round(prediction.age_ms, 3),
        "label": best.label if best else None,
        "score": round(best.score, DIGITS) if best else None,
        "infer_ms": round(prediction.infer_ms, 3),
        "sights": [_sight(one.label, one.score, encode(one.box)) for one in prediction.sights],
    }


def event_line(event: Event) -> dict[str, Any]:
    """The line of an event: all that it has."""
    return {"event": event_json(event)}


def damaged_line(picture: str, why: str) -> dict[str, Any]:
    """The note of a picture that cannot be looked at."""
    return {"note": f"not looked at: {why}", "picture": picture}


def _sight(label: str, score: float, box: Any) -> dict[str, Any]:
    held = {"label": label, "score": round(score, DIGITS)}
    return {**held, "box": {side: round(share, DIGITS) for side, share in box.items()}} if box else held


class Teller:
    """Writes lines without ever making a live loop wait."""

    def __init__(self, write: Write, live: bool) -> None:
        """``write`` is called with each line, by one thread at a time."""
        self.untold = 0
        self._write = write
        self._live = live
        self._queue: queue.Queue[Any] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._work, name="teller", daemon=True)
        if live:
            self._thread.start()

    def __call__(self, line: Any) -> None:
        """Tell a line, now or soon."""
        if not self._live:
            self._say(line)
            return
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self.untold += 1

    def stop(self) -> None:
        """Write what waits, for at most CLOSING_S."""
        if self._live:
            try:
                self._queue.put(None, timeout=CLOSING_S)
            except queue.Full:
                self.untold += self._queue.qsize()
                return
            self._thread.join(CLOSING_S)

    def _work(self) -> None:
        for line in iter(self._queue.get, None):
            self._say(line)

    def _say(self, line: Any) -> None:
        try:
            self._write(line)
        except OSError:  # the reader went away; the loop has other things to do than talking
            self.untold += 1
