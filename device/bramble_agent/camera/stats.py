"""Everything a loop counts; one frozen snapshot of it for status, page and metrics."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from ..wire_camera import CameraStatus, Decide, SustainedStatus, SwapStatus
from .ages import Ages
from .deliver import Delivery
from .redact import redacted

RECENT = 64  # predictions that the rate now is taken over
STALE_S = 10.0  # a rate that is older says nothing

AGES = ("capture", "inference", "action")
SKIPS = ("every", "still", "late", "damaged")


class Stats:
    """Counters of the loop's own thread, and where to ask for those of the others."""

    def __init__(self, name: str, run: str, source: str, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """All at zero; the parts are put in place by whoever makes them."""
        self.name, self.run, self.source, self.release, self.model = name, run, source, "", ""
        self.frames = 0
        self.events = 0
        self.skipped = dict.fromkeys(SKIPS, 0)
        self.ages = {name: Ages() for name in AGES}
        self.infer = Ages()
        self.captured: Callable[[], dict[str, int]] = dict
        self.trouble: Callable[[], str] = str
        self.untold: Callable[[], int] = int
        self.deliveries: Sequence[Delivery] = ()
        self.written_bytes: Callable[[], int] = int
        self.decide: Callable[[], Decide] = Decide
        self.swap: Callable[[], SwapStatus] = SwapStatus
        self.sustained: Callable[[], SustainedStatus] = SustainedStatus
        self.page = ""
        self._clock_ns = clock_ns
        self._begin_ns = clock_ns()
        self._recent: deque[int] = deque(maxlen=RECENT)

    def predicted(self, now_ns: int) -> None:
        """A frame was predicted."""
        self.frames += 1
        self._recent.append(now_ns)

    def fps(self) -> float | None:
        """Predictions a second over the last frames, None where there were none lately."""
        recent = tuple(self._recent)
        if len(recent) < 2 or recent[-1] <= recent[0] or self._clock_ns() - recent[-1] > STALE_S * 1e9:
            return None
        return (len(recent) - 1) * 1e9 / (recent[-1] - recent[0])

    def snapshot(self) -> CameraStatus:
        """How the loop is doing now; any thread may ask."""
        return CameraStatus(
            name=self.name,
            run=self.run,
            source=redacted(self.source),
            release=self.release,
            seconds=(self._clock_ns() - self._begin_ns) / 1e9,
            frames=self.frames,
            fps=self.fps(),
            events=self.events,
            trouble=self.trouble(),
            captured=dict(self.captured()),
            skipped=dict(self.skipped),
            untold=self.untold(),
            ages={name: ages.status() for name, ages in self.ages.items()},
            infer=self.infer.status(),
            actions=tuple(one.status() for one in self.deliveries),
            decide=self.decide(),
            swap=self.swap(),
            written_bytes=self.written_bytes(),
            sustained=self.sustained(),
            page=self.page,
            model=self.model,
        )
