"""An action's own thread and queue: the loop puts an event down and goes on, whatever the action does.

Tried again with growing pauses where an action fails (ActionFailed), given up where it never will (ActionRefused).
The queue is bounded in events and in bytes of pictures: where there is no room, the oldest that waits is dropped, and
counted. Order is kept; an event is in the queue until it is done, so it is acted on at least once.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ActionFailed, ActionRefused, AgentError
from ..wire_camera import DeliveryStatus
from .ages import Ages
from .event import Action, Event

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
OPENING_S = 5.0
CLOSING_S = 5.0


class Room(NamedTuple):
    """How much may wait."""

    events: int = 1_000
    bytes: int = 16 << 20


ROOM = Room()


class _Waiting(NamedTuple):
    event: Event
    picture: NDArray[Any] | None
    taken_ns: int
    size: int


class Delivery:
    """One action with its thread. ``put`` never waits; ``ages`` gets how old frames are once their event is done."""

    def __init__(self, name: str, action: Action, ages: Ages, room: Room = ROOM) -> None:
        """``name`` is for the status. Nothing is begun."""
        self.pictures = action.pictures
        self._name, self._action, self._ages, self._room = name, action, ages, room
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._busy = False  # the first of the queue is being acted on
        self._change = threading.Condition()
        self._over: float | None = None  # when the thread must give up
        self._done = self._dropped = self._refused = self._failures = 0
        self._last_failure = ""
        self._opening: AgentError | None = None
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"action {name}", daemon=True)

    def start(self, patience_s: float = OPENING_S) -> None:
        """Open the action in its thread. Raises what will never be otherwise (BadRequest).

        An action that failed to open, or is still at it after ``patience_s``, is tried while the loop goes on.
        """
        self._thread.start()
        self._opened.wait(patience_s)
        if self._opening is not None:
            raise self._opening

    def put(self, event: Event, picture: NDArray[Any] | None, taken_ns: int) -> None:
        """Leave an event here; ``picture`` is kept, so it must be the queue's own."""
        size = 0 if picture is None else int(picture.nbytes)
        with self._change:
            while len(self._queue) > self._busy and (
                len(self._queue) >= self._room.events or self._bytes + size > self._room.bytes
            ):
                self._drop()
            self._queue.append(_Waiting(event, picture, taken_ns, size))
            self._bytes += size
            self._change.notify()

    def stop(self, patience_s: float = CLOSING_S) -> None:
        """Try what waits for so long, then let go; what is left is counted as dropped."""
        with self._change:
            self._over = time.monotonic() + patience_s
            self._change.notify()
        if self._thread.ident is not None:
            self._thread.join(patience_s + 1.0)
        with self._change:
            self._dropped += len(self._queue)
            self._queue.clear()

    def status(self) -> DeliveryStatus:
        """What became of the events."""
        with self._change:
            return DeliveryStatus(
                action=self._name,
                done=self._done,
                waiting=len(self._queue),
                dropped=self._dropped,
                refused=self._refused,
                failures=self._failures,
                last_failure=self._last_failure,
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
            with self._change:
                self._busy = False
                if done and self._queue and self._queue[0] is waiting:
                    self._queue.popleft()
                    self._bytes -= waiting.size
            if done == "done":
                self._done += 1
                self._ages.record(time.monotonic_ns() - waiting.taken_ns)
            elif done == "refused":
                self._refused += 1
        self._action.close()

    def _open(self) -> bool:
        """Open the action, or see that it never will."""
        opened = ""
        try:
            opened = self._insist(self._action.open)
        except AgentError as error:
            self._opening = error
        self._opened.set()
        return bool(opened)

    def _next(self) -> _Waiting | None:
        """The oldest that waits; None once all is done after ``stop``, or its time is over."""
        with self._change:
            while not self._queue:
                if self._over is not None:
                    return None
                self._change.wait()
            if self._over is not None and time.monotonic() >= self._over:
                return None
            self._busy = True
            return self._queue[0]

    def _act(self, waiting: _Waiting) -> None:
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
            try:
                work()
            except ActionRefused as error:
                self._failed(error.message)
                return "refused"
            except ActionFailed as error:
                self._failed(error.message)
                self._opened.set()
            else:
                return "done"
            if not self._pause(pause_s):
                return ""
            pause_s = min(2.0 * pause_s, LONGEST_PAUSE_S)

    def _pause(self, seconds: float) -> bool:
        """Wait before the next try; False once there is no time left."""
        until = time.monotonic() + seconds
        with self._change:
            while True:
                now = time.monotonic()
                if self._over is not None and min(until, self._over) <= now:
                    return now < self._over
                if now >= until:
                    return True
                self._change.wait((until if self._over is None else min(until, self._over)) - now)

    def _failed(self, message: str) -> None:
        self._failures += 1
        self._last_failure = message[:500]

    def _drop(self) -> None:
        """Drop the oldest that is not being acted on."""
        place = int(self._busy)
        self._bytes -= self._queue[place].size
        del self._queue[place]
        self._dropped += 1
