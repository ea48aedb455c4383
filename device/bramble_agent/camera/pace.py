"""When the next frame is due: a steady rate without drift or bursts, and every so many frames of the source."""

from __future__ import annotations


class Pace:
    """A grid of times ``1/fps`` apart that starts with the first frame.

    Time that work takes does not shift the grid (no drift). Where a frame comes late its slot is filled, and slots that
    passed meanwhile are left out (no burst to catch up).
    """

    def __init__(self, fps: float) -> None:
        """Frames a second, above 0."""
        self._period_ns = max(1, round(1e9 / fps))
        self._due_ns: int | None = None

    def wait_ns(self, now_ns: int) -> int:
        """How long to wait for the next slot; 0 where it is due."""
        return 0 if self._due_ns is None else max(0, self._due_ns - now_ns)

    def took(self, now_ns: int) -> None:
        """A frame was taken in the slot that was due; the next is the first of the grid that is still to come."""
        if self._due_ns is None:
            self._due_ns = now_ns
        late = max(0, now_ns - self._due_ns)
        self._due_ns += (late // self._period_ns + 1) * self._period_ns


class Every:
    """Every n-th of the source's frames by their numbers, so that those which were dropped on the way count too."""

    def __init__(self, every: int) -> None:
        """``every`` 1 takes all."""
        self._every = every
        self._first: int | None = None
        self._last = self._group = -1

    def takes(self, number: int) -> bool:
        """Whether this frame is looked at: the first that comes of each group of ``every``."""
        if self._first is None or number < self._last:  # a source that was opened again may count anew
            self._first, self._group = number, -1
        self._last = number
        group = (number - self._first) // self._every
        if group <= self._group:
            return False
        self._group = group
        return True
