"""A model that runs beside the loop's, on copies of the frames that the loop gets to, and how often they agree.

The loop never waits: it leaves a copy only where the shadow is free for one.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace

from ..errors import FrameDamaged
from .frame import Frame
from .model import Model, named


@dataclass
class Tally:
    """How often two models agreed, and how long the shadow took, in ns."""

    agreed: int = 0
    compared: int = 0
    times_ns: list[int] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """Of the frames that were compared, those on which both said the same."""
        return self.agreed / self.compared if self.compared else None


class Shadow:
    """Where the loop leaves frames for another model. One at a time: what comes while it is busy is not compared."""

    def __init__(self) -> None:
        """Nobody wants a frame."""
        self.wants = False
        self._offer: tuple[Frame, frozenset[str]]
        self._come = threading.Event()

    def offer(self, frame: Frame, names: frozenset[str]) -> None:
        """The loop's side: leave a copy of a frame, with what the loop's model named in it."""
        self.wants = False
        self._offer = replace(frame, raw=frame.raw.copy()), names
        self._come.set()

    def compare(self, model: Model, tally: Tally, how: tuple[int, float], patience_s: float) -> None:
        """The other side: look at the next frame with ``model``, if one comes in time, and note it in ``tally``.

        ``how`` is how many sights are asked for, and the threshold from which a detector's label counts. Raises
        ModelRejected where the model fails on it.
        """
        top, threshold = how
        self._come.clear()
        self.wants = True
        if not self._come.wait(patience_s):
            self.wants = False  # one that is left in this very moment is taken by the next call, or never
            return
        frame, names = self._offer
        with model.lock:
            try:
                pixels = model.convert(frame)
            except FrameDamaged:
                return
            start = time.perf_counter_ns()
            seen = model.predict(pixels, top)
        tally.times_ns.append(time.perf_counter_ns() - start)
        tally.compared += 1
        tally.agreed += named(seen, model.predict.task, threshold) == names
