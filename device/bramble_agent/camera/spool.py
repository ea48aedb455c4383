"""Events that wait for a broker or a server: in RAM, in files there, and at last on the disk. Each at least once.

    put ─▶ window (objects, the oldest) ─▶ the action
      └──▶ files in RAM ─(waits for SETTLE_S, a whole file, within the day's write budget)─▶ files on the disk

``put`` writes to a file in RAM and to nothing else: from then on a crash of the process loses the event no more, the
loop does not wait for a disk, and where the broker answers the SD card is never written to. A power cut loses what
waited for less than SETTLE_S. What is done is noted in RAM; a note that is lost means events told twice, with the same
ids. A disk that is full or may not be written to today is told in ``trouble``, and events wait in RAM as long as there
is room. Where there is none the oldest file that is not being sent is dropped, and its events are counted by cause:

    full     more than ``Sizes.most`` waits          budget   RAM is full and the day's write budget is used up
    memory   RAM is full, or takes no files          disk     RAM is full and the disk takes nothing
    damaged  what was on the disk cannot be read   end  it waited in no file when the loop ended
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, List, NamedTuple

from .budget import Budget, synced
from .event import Event
from .line import Waiting
from .records import read_records, record
from .segments import Segment, Segments

if TYPE_CHECKING:
    from numpy.typing import NDArray

SETTLE_S = 30.0


class Sizes(NamedTuple):
    """Bytes that may wait at most, and of those in RAM; of one file; events in the window."""

    most: int = 64 << 20
    memory: int = 8 << 20
    file: int = 64 << 10
    window: int = 500


class Spool:
    """A queue (``line.Queue``) that outlives the process. Pictures are not kept."""

    def __init__(
        self,
        folders: Segments,
        budget: Budget,
        sizes: Sizes = Sizes(),  # noqa: B008 - a tuple
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is touched before ``open``."""
        self.trouble = ""
        self._files, self._budget, self._sizes, self._clock = folders, budget, sizes, clock
        self._segments: Deque[Segment] = deque()
        self._window: Deque[Waiting] = deque()
        self._dropped: Counter[str] = Counter()
        self._next = self._finished = 0  # the numbers of the next event, and of the oldest that is not done
        self._cause, self._loading = "memory", False
        self._lock = threading.Lock()
        self._settling = threading.Lock()

    def open(self) -> None:
        """Take up what an earlier run left."""
        with self._lock:
            try:
                found, note = self._files.found(self._clock())
            except OSError as error:
                self.trouble = f"{error.filename}: {error.strerror}; events wait in RAM only"
                return
            self._finished = _noted(note)
            self._segments.extend(found)
            self._next = max([self._finished, *(one.last + 1 for one in found)])
            self._delete_done()
            if self._segments:
                self._finished = max(self._finished, self._segments[0].first)

    # ---- the loop's thread

    def put(self, event: Event, picture: NDArray[Any] | None, taken_ns: int) -> bool:
        """Let an event wait. Whether it outlives this process: else it is in RAM, or dropped."""
        with self._lock:
            number, self._next = self._next, self._next + 1
            behind = self._loading or not all(one.read for one in self._segments)
            direct = not behind and len(self._window) < self._sizes.window
            kept = self._append(record(number, event), number, direct)
            if direct:
                self._window.append(Waiting(event, None, taken_ns, number, self._clock()))
            elif not kept:
                self._dropped["memory"] += 1
            self._make_room()
            return kept

    def _append(self, line: bytes, number: int, direct: bool) -> bool:
        current = self._files.current
        try:
            if (
                current is None
                or current.size + len(line) > self._sizes.file
                or current.read != direct
                or current.last + 1 != number
            ):
                current = self._files.begin(number, self._clock())
                current.read = direct
                self._segments.append(current)
            self._files.append(line)
        except OSError as error:
            self.trouble = f"{error.filename or 'the files in RAM'}: {error.strerror}; events wait in RAM only"
            if current is not None and current.last < current.first and current in self._segments:
                self._segments.remove(current)
                self._files.seal()
                with suppress(OSError):
                    current.path.unlink()
            return False
        return True

    def _make_room(self) -> None:
        while self.held_bytes > self._sizes.most and self._drop(self._segments, "full"):
            pass
        memory = [one for one in self._segments if not one.on_disk]
        while sum(one.size for one in memory) > self._sizes.memory and self._drop(memory, self._cause):
            memory = [one for one in self._segments if not one.on_disk]

    def _drop(self, among: Any, cause: str) -> bool:
        """Drop the oldest file whose events are not in RAM; False where there is none."""
        oldest = next((one for one in among if not one.read and one is not self._files.current), None)
        if oldest is None:
            return False
        self._segments.remove(oldest)
        self._dropped[cause] += self._undone(oldest)
        with suppress(OSError):
            oldest.path.unlink()
        return True

    # ---- the action's thread

    def first(self) -> Waiting | None:
        """The oldest event; None where none waits."""
        while True:
            with self._lock:
                if self._window:
                    return self._window[0]
                segment = next((one for one in self._segments if not one.read), None)
                if segment is None:
                    return None
                if segment is self._files.current:
                    self._files.seal()
                segment.read = self._loading = True  # it is not dropped any more
            self._load(segment, segment.path)

    def _load(self, segment: Segment, path: Path) -> None:
        """Bring a file's events into the window."""
        try:
            whole, damaged = read_records(path.read_bytes())
        except OSError as error:
            whole, damaged = [], self._undone(segment)
            self.trouble = f"{path}: {error.strerror}"
        with self._lock:
            self._dropped["damaged"] += damaged
            born_s, self._loading = segment.born_s, False
            self._window.extend(Waiting(event, None, None, n, born_s) for n, event in whole if n >= self._finished)
            if not self._window:
                self._finished = max(self._finished, segment.last + 1)
                self._delete_done()

    def done(self, waiting: Waiting) -> None:
        """Note it; a file of which all is done is deleted."""
        with self._lock:
            if self._window and self._window[0].number == waiting.number:
                self._window.popleft()
            self._finished = waiting.number + 1
            with suppress(OSError):  # then it may be told twice
                self._files.note(_note(self._finished), _NOTE * (waiting.number % 2))
            self._delete_done()

    def _delete_done(self) -> None:
        while self._segments and self._segments[0].last < self._finished:
            if self._segments[0] is self._files.current:
                if self._segments[0].size < self._sizes.file // 2:
                    return
                self._files.seal()
            with suppress(OSError):
                self._segments[0].path.unlink()
            self._segments.popleft()

    def settle(self, now: bool = False) -> None:
        """Move files to the disk that were begun SETTLE_S ago (``now``: all of them), as far as the budget goes."""
        with self._settling:
            for segment in self._due(now):
                if not self._budget.spend(synced(segment.size)):
                    self._cause = "budget"
                    self.trouble = "the day's write budget is used up; events wait in RAM only"
                    return
                try:
                    copy = self._files.copy(segment)
                except OSError as error:
                    if not segment.path.exists():  # dropped just now, or deleted by somebody
                        continue
                    self._budget.refund(synced(segment.size))
                    self._cause = "disk"
                    self.trouble = f"{error.filename or 'the spool'}: {error.strerror}; events wait in RAM only"
                    return
                with self._lock:
                    old, segment.path, segment.on_disk = segment.path, copy, True
                    with suppress(OSError):
                        (old if segment in self._segments else copy).unlink()
                self._cause, self.trouble = "memory", ""

    def _due(self, now: bool) -> List[Segment]:
        with self._lock:
            before_s = self._clock() - SETTLE_S
            waiting = [one for one in self._segments if not one.on_disk and one.last >= self._finished]
            due = [one for one in waiting if now or self._since_s(one) <= before_s]
            if self._files.current in due:
                self._files.seal()
            return due

    def _since_s(self, segment: Segment) -> float:
        """Since when the oldest event of a file waits: where the broker answers, that is not since it was begun."""
        oldest = self._window[0] if self._window else None
        return oldest.since_s if oldest and segment.first <= oldest.number <= segment.last else segment.born_s

    def _undone(self, segment: Segment) -> int:
        return segment.last + 1 - max(segment.first, self._finished)

    def close(self) -> None:
        """All that waits goes to the disk; a later run takes it up. What no file took is dropped."""
        self.settle(now=True)
        with self._lock:
            self._files.seal()
            held = {number for file in self._segments for number in range(file.first, file.last + 1)}
            kept = deque(one for one in self._window if one.number in held)
            self._dropped["end"] += len(self._window) - len(kept)
            self._window = kept
            if not self.waiting:
                for segment in self._segments:
                    with suppress(OSError):
                        segment.path.unlink()
                self._segments.clear()
                self._files.clear()

    # ---- any thread

    @property
    def waiting(self) -> int:
        """How many wait; damaged ones count until they are read."""
        unread = [one for one in tuple(self._segments) if not one.read]
        return len(self._window) + sum(self._undone(one) for one in unread)

    @property
    def held_bytes(self) -> int:
        """Bytes in files, in RAM and on the disk."""
        return sum(one.size for one in tuple(self._segments))

    @property
    def dropped(self) -> Dict[str, int]:
        """Events that were given up, by cause."""
        with self._lock:
            return {cause: count for cause, count in self._dropped.items() if count}


_NOTE = 30


def _note(finished: int) -> bytes:
    number = b"%020d" % finished
    return b"%s %08x\n" % (number, zlib.crc32(number))


def _noted(data: bytes) -> int:
    """The greatest whole note, 0 where there is none: two are kept, so that one that was cut does no harm."""
    found = [0]
    for place in (0, _NOTE):
        number, _, crc = data[place : place + _NOTE - 1].partition(b" ")
        if len(number) == 20 and number.isdigit() and crc == b"%08x" % zlib.crc32(number):
            found.append(int(number))
    return max(found)
