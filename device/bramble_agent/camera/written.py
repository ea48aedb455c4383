"""How many bytes a day this process gives to the storage: an SD card bears so many and no more.

As the kernel counts them (``write_bytes`` of /proc/self/io): what files in RAM hold is not among them.
"""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

HOUR_S, HOURS = 3600.0, 24
COUNTER = re.compile(r"^write_bytes: (\d+)$", re.MULTILINE)


class Written:
    """``note`` takes readings, in order of time; ``total`` and ``day`` are bytes since the first, None without any."""

    def __init__(self) -> None:
        """Nothing is known."""
        self.total: int | None = None
        self._first = 0
        self._hours: deque[tuple[float, int]] = deque(maxlen=HOURS + 1)

    def note(self, now_s: float, reading: int | None) -> None:
        """Take a reading of the counter; ``now_s`` is of a clock that is never set."""
        if reading is None:
            return
        if self.total is None:
            self._first = reading
        self.total = reading - self._first
        if not self._hours or now_s - self._hours[-1][0] >= HOUR_S:
            self._hours.append((now_s, self.total))

    @property
    def day(self) -> int | None:
        """Bytes of the last 24 hours, to the hour: at most one more than that is counted in."""
        return None if self.total is None else self.total - self._hours[0][1]


def written_bytes(root: Path = Path("/")) -> int | None:
    """The kernel's counter now; None where it keeps none."""
    try:
        found = COUNTER.search((root / "proc/self/io").read_text())
    except OSError:
        return None
    return int(found.group(1)) if found else None
