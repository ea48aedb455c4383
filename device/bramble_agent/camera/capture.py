"""One source, opened and read for months: released when it is lost or stuck, and tried again with back-off.

Everything happens in one thread; it waits by ``wait`` and knows the time by ``clock`` only, so that a test can play
hours in no time.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable

from ..errors import AgentError, BadRequest, CameraBusy, CameraLost, CameraMissing, FrameDamaged
from .wishes import Wishes

if TYPE_CHECKING:
    from .frame import Frame, Source
    from .slot import Slot


@dataclass(frozen=True)
class Patience:
    """How long is waited for what, in seconds.

    ``first_s``: the first opening is tried again for so long. A source that was lost is tried again after ``again_s``,
    then after twice that, up to ``most_s``, for ever. ``stuck_s``: no whole frame for so long is as good as lost.
    ``stop_s``: how long a stop waits for a source to be closed.
    """

    first_s: float = 0.0
    again_s: float = 0.5
    most_s: float = 30.0
    stuck_s: float = 15.0
    stop_s: float = 2.0


class Capture:
    """Puts a source's frames into a slot. ``trouble`` says what keeps it from doing so, "" where nothing does.

    ``calling_since`` is when the call began that the source has not returned from, or None.
    """

    def __init__(
        self,
        source: Source,
        slot: Slot,
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
        wishes: Wishes | None = None,
    ) -> None:
        self.stop = threading.Event()
        self.wait: Callable[[float], object] = self.stop.wait
        self.trouble = ""
        self.calling_since: float | None = None
        self._source, self._slot, self._patience, self._clock = source, slot, patience, clock
        self._wishes, self._heeded = wishes or Wishes(), 0
        self._pause_s = patience.again_s
        self._was_open = False
        self.next_number = 0

    def go_on_from(self, number: int) -> None:
        """Take the place of a capture that came so far: frames are numbered from here, and errors are borne."""
        self.next_number, self._was_open, self.trouble = number, True, "the source was replaced"

    def run(self) -> None:
        """Until stopped, or until the source ended; what ended it is raised by ``slot.take``."""
        error: Exception | None = None
        try:
            self._go_on()
        except Exception as caught:  # noqa: BLE001 - a thread's end: whoever takes frames gets it
            error = caught
        if not self.stop.is_set():
            self._slot.finish(error)

    def _go_on(self) -> None:
        begin = self._clock()
        while not self.stop.is_set():
            try:
                if self._opened_and_read():
                    return
            except (CameraMissing, CameraBusy, CameraLost, BadRequest) as error:
                self._bear(error, self._clock() - begin)
            self.wait(self._pause_s)
            self._pause_s = min(2 * self._pause_s, self._patience.most_s)

    def _bear(self, error: AgentError, since_s: float) -> None:
        """Raise what will not get better by waiting. What was a camera once may be another, or none, for a while."""
        if self._was_open and not self._source.live:
            raise error
        if not self._was_open and isinstance(error, BadRequest):
            raise error
        if not self._was_open and not isinstance(error, CameraLost) and since_s >= self._patience.first_s:
            raise error
        self._slot.count("lost", int(self._was_open and not self.trouble))
        self.trouble = error.message

    def _opened_and_read(self) -> bool:
        """Whether the source ended, or was told to."""
        try:
            self.calling_since = self._clock()
            self._heeded = self._wishes.heed(self._source, self._heeded)
            self._source.open()
            self._was_open = True
            self._read()
        finally:
            self.calling_since = self._clock()
            self._source.close()
            self.calling_since = None
        return True

    def _read(self) -> None:
        last, damaged, offset = self._clock(), 0, None
        while not self.stop.is_set():
            self.calling_since = self._clock()
            heeded, self._heeded = self._heeded, self._wishes.heed(self._source, self._heeded)
            offset = offset if heeded == self._heeded else None
            try:
                frame = self._source.read()
            except FrameDamaged as error:
                damaged += 1
                self._slot.count("damaged")
                self._too_long(last, error)
                continue
            self.calling_since = None
            if frame is None or self.stop.is_set():
                return
            offset = self.next_number - frame.number if offset is None else offset
            self._hand_over(frame, frame.number + offset, damaged)
            last, damaged = self._clock(), 0

    def _too_long(self, last: float, error: FrameDamaged) -> None:
        if self._source.live and self._clock() - last > self._patience.stuck_s:
            raise CameraLost(f"nothing but damaged frames for {self._patience.stuck_s:g} s: {error.message}") from error

    def _hand_over(self, frame: Frame, number: int, damaged: int) -> None:
        """Numbers go on where they were before the source was lost; a gap in them is what the source skipped."""
        missed = number - self.next_number - damaged
        if missed > 0:
            self._slot.count("missed", missed)
        self.next_number = number + 1
        self._pause_s, self.trouble = self._patience.again_s, ""
        self._slot.put(replace(frame, number=number, wish=self._heeded), self._source.live, self.stop)
