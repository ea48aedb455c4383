"""When a frame of a stream was taken, of its place in the stream and of when it arrived.

A stream's own time begins anywhere. The shortest way a frame lately took from there to here is taken as no delay: one
that took longer is older by the difference. "Lately" is a window of a minute, so that clocks which drift apart, or a
stream that begins anew, do not make frames older and older. What every frame is late by alike cannot be known.
"""

from __future__ import annotations

HALF_WINDOW_NS = 30_000_000_000


class Arrival:
    """Follows one stream. All times in ns; ``now_ns`` must not go back."""

    def __init__(self) -> None:
        self._earlier_ns: int | None = None
        self._shortest_ns: int | None = None
        self._until_ns = 0

    def taken_ns(self, place_ns: int | None, now_ns: int) -> int:
        """When a frame was taken that stands at ``place_ns`` in the stream and arrived now; now if that is unknown."""
        if place_ns is None:
            return now_ns
        way_ns = now_ns - place_ns
        if self._shortest_ns is None or now_ns >= self._until_ns:
            self._earlier_ns, self._shortest_ns = self._shortest_ns, way_ns
            self._until_ns = now_ns + HALF_WINDOW_NS
        self._shortest_ns = min(self._shortest_ns, way_ns)
        known = self._shortest_ns if self._earlier_ns is None else min(self._shortest_ns, self._earlier_ns)
        return place_ns + known
