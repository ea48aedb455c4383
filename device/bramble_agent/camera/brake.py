"""Slows the loop to a share of its full rate: a frame is taken no sooner than its usual period divided by that share.

The usual period is measured while nothing is slowed, so it holds for a steady rate and for "as fast as it goes" alike.
"""

from __future__ import annotations

SMOOTH = 8  # frames that the usual period is taken over
ODD = 4  # a gap longer than so many periods (a camera that was away) counts as that


class Brake:
    """``wait_ns`` and ``took`` are for the loop's thread; ``rate`` may be set by any."""

    def __init__(self) -> None:
        """Full rate."""
        self.rate = 1.0
        self._period_ns = 0.0
        self._last_ns: int | None = None

    def wait_ns(self, now_ns: int) -> int:
        """How long to wait before a frame may be taken; 0 at the full rate."""
        if self.rate >= 1.0 or self._last_ns is None:
            return 0
        return max(0, self._last_ns + int(self._period_ns / self.rate) - now_ns)

    def took(self, now_ns: int) -> None:
        """A frame was taken."""
        if self._last_ns is not None and (self.rate >= 1.0 or not self._period_ns):
            gap_ns = float(now_ns - self._last_ns)
            if self._period_ns:
                gap_ns = self._period_ns + (min(gap_ns, ODD * self._period_ns) - self._period_ns) / SMOOTH
            self._period_ns = gap_ns
        self._last_ns = now_ns
