"""An action's own thread and queue: the loop puts an event down and goes on, whatever the action does.

Tried again with growing pauses where an action fails (ActionFailed), given up where it never will (ActionRefused).
The queue is one in RAM (``line.Line``), or one that outlives the process (``spool.Spool``): both are bounded, and what
is dropped is counted. Order is kept; an event is in the queue until it is done, so it is acted on at least once.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, FrozenSet

from ..errors import ActionFailed, ActionRefused, AgentError
from ..wire_camera import DeliveryStatus
from .ages import Ages
from .event import Action, Event
from .line import Line, Queue, Waiting

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
OPENING_S = 5.0
CLOSING_S = 5.0
LOOK_S = 5.0  # how often, in a pause, what waits is brought to safety
LONGEST_WISH_S = 600.0  # the longest pause that a server may ask for


class Delivery:
    """One action with its thread. ``put`` never waits; ``ages`` gets how old frames are once their event is done."""

    def __init__(self, name: str, action: Action, ages: Ages, queue: Queue | None = None) -> None:
        """``name`` is for the status, ``queue`` where events wait (None: in RAM). Nothing is begun."""
        self.pictures = action.pictures
        self._name, self._action, self._ages = name, action, ages
        self._queue = queue or Line()
        self._change = threading.Condition()
        self._over: float | None = None  # when the thread must give up
        self._done = self._refused = self._failures = 0
        self._last_failure = ""
        self._opening: AgentError | None = None
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"action {name}", daemon=True)

    def start(self, patience_s: float = OPENING_S) -> None:
        """Open the action in its thread. Raises what will never be otherwise (BadRequest).

        An action that failed to open, or is still at it after ``patience_s``, is tried while the loop goes on.
        """
        self._queue.open()
        self._thread.start()
        self._opened.wait(patience_s)
        if self._opening is not None:
            raise self._opening

    def put(self, event: Event, picture: NDArray[Any] | None, taken_ns: int) -> None:
        """Leave an event here; ``picture`` is kept, so it must be the queue's own."""
        self._queue.put(event, picture, taken_ns)
        with self._change:
            self._change.notify()

    def stop(self, patience_s: float = CLOSING_S) -> None:
        """Try what waits for so long, then let go; what is left is kept for the next run, or counted as dropped."""
        with self._change:
            self._over = time.monotonic() + patience_s
            self._change.notify()
        if self._thread.ident is not None:
            self._thread.join(patience_s + 1.0)
            if self._thread.is_alive() and not self._last_failure:
                self._last_failure = f"it did not come to an end within {patience_s:g} s"
        self._queue.close()

    def status(self) -> DeliveryStatus:
        """What became of the events."""
        dropped = self._queue.dropped
        return DeliveryStatus(
            action=self._name,
            done=self._done,
            waiting=self._queue.waiting,
            dropped=sum(dropped.values()),
            refused=self._refused,
            failures=self._failures,
            last_failure=self._last_failure,
            causes=dropped,
            held_bytes=self._queue.held_bytes,
            trouble=self._queue.trouble,
        )

    # ---- the action's thread

    def _work(self) -> None:
        if not self._open():
            return
        while True:
            waiting = self._next()
            if waiting is None:
                break
            done = self._insist(functools.partial(self._act, waiting))
            if not done:
                break
            self._queue.done(waiting)
            self._queue.settle()
            if done == "refused":
                self._refused += 1
                continue
            self._done += 1
            if waiting.taken_ns is not None:
                self._ages.record(time.monotonic_ns() - waiting.taken_ns)
        self._action.close()

    def _open(self) -> bool:
        """Open the action, or see that it never will."""
        opened = ""
        try:
            opened = self._insist(self._action.open)
        except AgentError as error:
            self._failed(error.message)
            self._opening = error
        self._opened.set()
        return bool(opened)

    def _next(self) -> Waiting | None:
        """The oldest that waits; None once all is done after ``stop``, or its time is over."""
        while True:
            waiting = self._queue.first()
            with self._change:
                if self._over is not None and time.monotonic() >= self._over:
                    return None
                if waiting is not None:
                    return waiting
                if self._queue.waiting:  # it came just now
                    continue
                if self._over is not None:
                    return None
                self._change.wait()

    def _act(self, waiting: Waiting) -> None:
        try:
            self._action.act(waiting.event, waiting.picture)
        except (ActionFailed, ActionRefused):
            raise
        except Exception as error:
            raise ActionRefused(f"{type(error).__name__}: {error}") from error

    def _insist(self, work: Callable[[], None]) -> str:
        """Try until it works: "done", "refused", or "" where there is no time left."""
        pause_s = FIRST_PAUSE_S
        while True:
            wish_s = 0.0
            try:
                work()
            except ActionRefused as error:
                self._failed(error.message)
                return "refused"
            except ActionFailed as error:
                self._failed(error.message)
                self._opened.set()
                wish_s = min(error.after_s, LONGEST_WISH_S)
            except AgentError:
                raise
            except Exception as error:  # noqa: BLE001 - a library's own kind of error must not end the thread unseen
                self._failed(f"{type(error).__name__}: {error}")
                self._opened.set()
            else:
                return "done"
            if not self._pause(max(pause_s, wish_s)):
                return ""
            pause_s = min(2.0 * pause_s, LONGEST_PAUSE_S)

    def _pause(self, seconds: float) -> bool:
        """Wait before the next try; False once there is no time left."""
        until = time.monotonic() + seconds
        while True:
            self._queue.settle()
            with self._change:
                now = time.monotonic()
                if self._over is not None and min(until, self._over) <= now:
                    return now < self._over
                if now >= until:
                    return True
                self._change.wait(min((until if self._over is None else min(until, self._over)) - now, LOOK_S))

    def _failed(self, message: str) -> None:
        self._failures += 1
        self._last_failure = message[:500]


@dataclass(frozen=True)
class Acting:
    """All actions of a loop, and what they wrote to the disk today."""

    deliveries: Sequence[Delivery]
    written_bytes: Callable[[], int] = int
    labels: FrozenSet[str] = frozenset()  # that events are chosen by
