"""Events that wait for an action, in the order they came: in RAM only, bounded in events and in bytes of pictures."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Deque, Dict, NamedTuple, Optional, Protocol

from .event import Event

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Waiting(NamedTuple):
    """An event that waits. ``taken_ns`` is None for one that was in a file, ``number`` counts from 0."""

    event: Event
    picture: Optional[NDArray[Any]]
    taken_ns: Optional[int]
    number: int
    since_s: float = 0.0


class Queue(Protocol):
    """What an action's thread takes events from. ``put`` is of the loop's thread, the others of the action's."""

    def open(self) -> None:
        """Take hold of what an earlier run left."""

    def put(self, event: Event, picture: NDArray[Any] | None, taken_ns: int) -> bool:
        """Let an event wait; never for long. Whether it outlives this process."""

    def first(self) -> Waiting | None:
        """The oldest, None where none waits; it waits on until it is ``done``."""

    def done(self, waiting: Waiting) -> None:
        """It need not wait any more."""

    def settle(self) -> None:
        """Bring to the disk what has waited for so long that it should be there."""

    def close(self) -> None:
        """Keep what waits for the next run, or count it as dropped."""

    @property
    def waiting(self) -> int:
        """How many wait."""

    @property
    def dropped(self) -> Dict[str, int]:
        """Events that were given up, by cause."""

    @property
    def held_bytes(self) -> int:
        """Bytes in files that wait."""

    @property
    def trouble(self) -> str:
        """Why what waits is not as safe as it should be; "" where it is."""


class Room(NamedTuple):
    """How much may wait in RAM."""

    events: int = 1_000
    bytes: int = 16 << 20


ROOM = Room()


class Line:
    """A queue in RAM: where there is no room the oldest that waits is dropped. What is left at the end is dropped."""

    held_bytes = 0
    trouble = ""

    def __init__(self, room: Room = ROOM) -> None:
        """Empty."""
        self._room = room
        self._queue: Deque[Waiting] = deque()
        self._bytes = self._number = 0
        self._busy = False  # the first is being acted on
        self._dropped: Counter[str] = Counter()
        self._lock = threading.Lock()

    def open(self) -> None:
        """Nothing was left."""

    def put(self, event: Event, picture: NDArray[Any] | None, taken_ns: int) -> bool:
        """Keep it, and drop the oldest as long as there is no room."""
        size = _size(picture)
        with self._lock:
            while len(self._queue) > self._busy and (
                len(self._queue) >= self._room.events or self._bytes + size > self._room.bytes
            ):
                place = int(self._busy)
                self._bytes -= _size(self._queue[place].picture)
                del self._queue[place]
                self._dropped["full"] += 1
            self._queue.append(Waiting(event, picture, taken_ns, self._number))
            self._number += 1
            self._bytes += size
        return False

    def first(self) -> Waiting | None:
        """The oldest; it is not dropped any more."""
        with self._lock:
            self._busy = bool(self._queue)
            return self._queue[0] if self._queue else None

    def done(self, waiting: Waiting) -> None:
        """Let go of it."""
        with self._lock:
            self._busy = False
            if self._queue and self._queue[0] is waiting:
                self._queue.popleft()
                self._bytes -= _size(waiting.picture)

    def settle(self) -> None:
        """Nothing goes to the disk."""

    def close(self) -> None:
        """What is left is dropped."""
        with self._lock:
            if self._queue:
                self._dropped["end"] += len(self._queue)
            self._queue.clear()
            self._bytes = 0

    @property
    def waiting(self) -> int:
        """How many wait, the one that is acted on included."""
        return len(self._queue)

    @property
    def dropped(self) -> Dict[str, int]:
        """By cause: "full", and "end" for those that were left."""
        with self._lock:
            return dict(self._dropped)


def _size(picture: NDArray[Any] | None) -> int:
    return 0 if picture is None else int(picture.nbytes)
