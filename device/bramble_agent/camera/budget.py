"""How many bytes a day may be written to the board's disk: SD cards wear.

Counted as a card counts: what is made to reach it (fsync) costs whole blocks and the file system's own notes as well.
The count is kept in a file in RAM, so that a process that starts over and over has no new budget each time; a day is
24 hours of the monotonic clock, so that setting the clock gives none either.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Callable, Tuple

DAY_S = 86_400.0
BLOCK, NOTES = 4_096, 8_192
AHEAD = 16
"""What can be left out is done as long as the day's share of the budget is not overdrawn by more than a 16th of it."""


def synced(size: int) -> int:
    """What a card writes for ``size`` bytes that are made to reach it."""
    return -(-size // BLOCK) * BLOCK + NOTES


class Budget:
    """One for all that a loop writes; any thread may ask. ``file`` is where the count outlives the process."""

    def __init__(
        self, bytes_per_day: int, file: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.bytes_per_day = bytes_per_day
        self._file, self._clock = file, clock
        self._lock = threading.Lock()
        self._begin, self._used = self._kept()

    @property
    def used(self) -> int:
        """Bytes written since the day began."""
        with self._lock:
            self._turn()
            return self._used

    def spend(self, size: int) -> bool:
        """Whether ``size`` bytes may still be written today; if so they are counted."""
        with self._lock:
            self._turn()
            return self._take(size, self.bytes_per_day)

    def refund(self, size: int) -> None:
        """These bytes were not written after all."""
        with self._lock:
            self._turn()
            self._used = max(0, self._used - size)
            self._keep()

    def spare(self, size: int) -> bool:
        """The same for what can be left out: only while the day's budget is being used up no faster than the day."""
        with self._lock:
            elapsed_s = self._turn()
            due = self.bytes_per_day * (elapsed_s / DAY_S + 1.0 / AHEAD)
            return self._take(size, min(self.bytes_per_day, int(due)))

    def _take(self, size: int, most: int) -> bool:
        if self._used + size > most:
            return False
        self._used += size
        self._keep()
        return True

    def _turn(self) -> float:
        """Begin a new day if the old one is over; the seconds since it began."""
        now = self._clock()
        if not 0.0 <= now - self._begin < DAY_S:
            self._begin, self._used = now, 0
        return now - self._begin

    def _kept(self) -> Tuple[float, int]:
        with suppress(OSError, ValueError, KeyError, TypeError):
            if self._file is not None:
                held = json.loads(self._file.read_bytes())
                return float(held["begin_s"]), int(held["used_bytes"])
        return self._clock(), 0

    def _keep(self) -> None:
        if self._file is None:
            return
        fresh = self._file.with_name(f".{self._file.name}")
        with suppress(OSError):  # then only this process knows
            fresh.write_text(json.dumps({"begin_s": self._begin, "used_bytes": self._used}))
            os.replace(fresh, self._file)
