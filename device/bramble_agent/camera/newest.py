"""The capture thread: frames arrive beside the loop, and the loop always gets the newest (of a file: the next).

A source that does not even return from a call (a driver that hangs) is left to its thread, which lets go of it as soon
as it can, and another is made in its place.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Callable, Dict, Sequence

from .capture import Capture, Patience
from .slot import Slot
from .wishes import Wishes

if TYPE_CHECKING:
    from ..wire import Pixels
    from .frame import Frame, Source


class Newest:
    """Captures from ``source`` in a thread of its own. ``another`` makes a source to replace one that hangs."""

    def __init__(
        self,
        source: Source,
        another: Callable[[], Source] | None = None,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience = patience or Patience()
        self._another, self._clock = another, clock
        self._slot, self._wishes = Slot(), Wishes()
        self._hung = 0
        self._begin(source)

    def _begin(self, source: Source) -> None:
        self._capture = Capture(source, self._slot, self._patience, self._clock, self._wishes)
        self._thread = threading.Thread(target=self._capture.run, name="capture", daemon=True)

    @property
    def ended(self) -> bool:
        """No frame will come any more."""
        return self._slot.ended

    @property
    def trouble(self) -> str:
        """Why no frames come now; "" where they do."""
        hangs = f"the source has not answered for {self._silent_s():.0f} s"
        return hangs if self._silent_s() > self._patience.stuck_s else self._capture.trouble

    def start(self) -> None:
        """Begin to capture."""
        self._thread.start()

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame (of a file: the next), None where none comes in time. It is valid until the next call.

        Raises what the first opening raised, or what ended a source that is not live.
        """
        frame = self._slot.take(timeout_s)
        if frame is None and self._another is not None and self._silent_s() > self._patience.stuck_s:
            self._replace(self._another())
        return frame

    def want(self, wanted: Sequence[Pixels]) -> int:
        """Have frames serve models of all these pictures; the ``wish`` of the first that do. For any thread.

        A camera that must be set up anew for that pauses; one that is away is told when it comes back, and one that
        takes the place of a source that hangs before it is opened.
        """
        return self._wishes.tell(wanted)

    def counts(self) -> Dict[str, int]:
        """Frames that came, and drops by cause: "late", "missed", "damaged", "lost", and "hung" sources."""
        return {**self._slot.counts, "hung": self._hung}

    def stop(self) -> None:
        """Let go of the source; one that does not answer is not waited for."""
        self._capture.stop.set()
        self._slot.wake()
        if self._thread.is_alive():
            self._thread.join(self._patience.stop_s)
        self._slot.finish()

    def _silent_s(self) -> float:
        since = self._capture.calling_since
        return 0.0 if since is None else self._clock() - since

    def _replace(self, source: Source) -> None:
        self._capture.stop.set()
        self._hung += 1
        first = self._capture.next_number
        self._begin(source)
        self._capture.go_on_from(first)
        self._thread.start()
