"""What the page knows of a loop: the latest prediction, a sample a second for the charts, and whether it is healthy."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Optional

from ..event import Prediction
from ..stats import Stats

SAMPLE_S = 1.0
KEPT = 600
STILL_S = 15.0  # how long the loop may stand still, or the camera give nothing, and count as healthy


class Sample(NamedTuple):
    """What happened since the sample before: at ``at_s`` of the loop's time; None where there is nothing to tell."""

    at_s: float
    fps: float
    age_ms: Optional[float]
    most_age_ms: Optional[float]
    temp_c: Optional[float]
    rate: float


class Watch:
    """``prediction`` and ``tick`` are for the loop's thread, the rest for any."""

    def __init__(self, stats: Stats, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """The loop has not begun."""
        self.latest: Prediction | None = None
        self._stats, self._clock_ns = stats, clock_ns
        self._begin_ns = self._ticked_ns = self._sampled_ns = self._came_ns = clock_ns()
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._count = 0  # samples that there ever were
        self._predicted, self._sum_ms, self._most_ms = 0, 0.0, 0.0
        self._captured = 0

    def prediction(self, told: Prediction) -> None:
        """A frame was predicted."""
        self.latest = told
        self._predicted += 1
        self._sum_ms += told.age_ms
        self._most_ms = max(self._most_ms, told.age_ms)

    def tick(self) -> None:
        """The loop goes on."""
        self._ticked_ns = now_ns = self._clock_ns()
        if now_ns - self._sampled_ns >= SAMPLE_S * 1e9:
            self._sample(now_ns)

    def _sample(self, now_ns: int) -> None:
        some, sustained = self._predicted > 0, self._stats.sustained()
        self._samples.append(
            Sample(
                at_s=round((now_ns - self._begin_ns) / 1e9, 2),
                fps=round(self._predicted * 1e9 / (now_ns - self._sampled_ns), 2),
                age_ms=round(self._sum_ms / self._predicted, 2) if some else None,
                most_age_ms=round(self._most_ms, 2) if some else None,
                temp_c=sustained.temp_c,
                rate=round(sustained.rate, 3),
            )
        )
        self._count += 1
        self._sampled_ns, self._predicted, self._sum_ms, self._most_ms = now_ns, 0, 0.0, 0.0
        self._note_captured(now_ns)

    def _note_captured(self, now_ns: int) -> None:
        captured = self._stats.captured().get("frames", 0)
        if captured != self._captured:
            self._captured, self._came_ns = captured, now_ns

    def samples(self, after: int) -> tuple[int, list[Sample]]:
        """The samples from number ``after`` on that are still there, and the number that the next will have."""
        held, count = list(self._samples), self._count
        return count, held[max(0, len(held) - max(0, count - after)) :]

    def unwell(self, fps: float | None) -> str:
        """Why the loop is not healthy; "" where it is. ``fps`` is the rate that was asked for."""
        now_ns = self._clock_ns()
        still_s = (now_ns - self._ticked_ns) / 1e9
        if still_s > STILL_S:
            return f"the loop has stood still for {still_s:.0f} s"
        trouble = self._stats.trouble()
        if trouble:
            return f"no frames: {trouble}"
        if not self._stats.captured().get("frames", 0):
            return "no frame has come yet"
        silent_s = (now_ns - self._came_ns) / 1e9
        if silent_s > max(STILL_S, 3.0 / fps if fps else 0.0):
            return f"no frame for {silent_s:.0f} s"
        return ""
