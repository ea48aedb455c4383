"""Ages and durations as a histogram: buckets at steps of 2^(1/8), so memory stays bounded for months.

A percentile is the upper edge of the bucket that holds it (nearest rank), at most the largest value seen: never below
the true one, and at most 2^(1/8) − 1 = 9 % above it. Values under 1 µs share a bucket, as do those over about an hour.
"""

from __future__ import annotations

import math
import threading

from ..timing import needed
from ..wire_camera import AgeStatus

PER_OCTAVE = 8
OCTAVES = 32
FLOOR_NS = 1_000
LAST = OCTAVES * PER_OCTAVE


class Ages:
    """A histogram of nanoseconds that any thread may add to."""

    def __init__(self) -> None:
        """Empty."""
        self._counts = [0] * (LAST + 1)
        self._sum_ns = 0
        self._most_ns = 0
        self._lock = threading.Lock()

    def record(self, ns: int) -> None:
        """Add one value; below 0 (a clock's jitter) counts as 0."""
        ns = max(0, ns)
        place = 0 if ns <= FLOOR_NS else min(LAST, math.ceil(math.log2(ns / FLOOR_NS) * PER_OCTAVE))
        with self._lock:
            self._counts[place] += 1
            self._sum_ns += ns
            self._most_ns = max(self._most_ns, ns)

    def percentile_ns(self, q: float) -> float | None:
        """The ``q``-quantile, or None where the values are too few for it (see ``timing.needed``)."""
        with self._lock:
            return self._percentile(q, sum(self._counts))

    def status(self) -> AgeStatus:
        """The histogram in short."""
        with self._lock:
            count = sum(self._counts)
            points = [self._percentile(q, count) for q in (0.5, 0.95, 0.99)]
            p50, p95, p99 = (None if point is None else point / 1e6 for point in points)
            mean = self._sum_ns / count / 1e6 if count else 0.0
            return AgeStatus(count, mean, p50, p95, p99, self._most_ns / 1e6)

    def buckets(self) -> list[tuple[float, int]]:
        """(upper edge in ms, values up to it) of every octave: cumulative, as Prometheus' histograms are."""
        with self._lock:
            counts = list(self._counts)
        found, below = [], 0
        for place, count in enumerate(counts):
            below += count
            if place % PER_OCTAVE == 0:
                found.append((_edge_ns(place) / 1e6, below))
        return found

    def total_ms(self) -> float:
        """The sum of all values."""
        return self._sum_ns / 1e6

    def _percentile(self, q: float, count: int) -> float | None:
        if count < needed(q):
            return None
        rank, below = math.ceil(q * count), 0
        for place, here in enumerate(self._counts):
            below += here
            if below >= rank:
                return min(_edge_ns(place), self._most_ns) if place < LAST else float(self._most_ns)
        raise AssertionError("the rank is not above the count")


def _edge_ns(place: int) -> float:
    return float(FLOOR_NS * 2 ** (place / PER_OCTAVE))
