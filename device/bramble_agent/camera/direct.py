"""Frames of a source that is not live, read by the loop itself: every frame is given, and nothing else is to be done.

In place of ``newest.Newest``: there is no newer frame that could win, so a thread would only cost its hand-over and a
copy of every frame. Where reading itself takes long beside the model (video that is decoded), ``newest`` reads ahead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Sequence

from ..errors import FrameDamaged
from .wishes import Wishes

if TYPE_CHECKING:
    from ..wire import Pixels
    from .frame import Frame, Source


class Direct:
    """Reads ``source`` whenever a frame is asked for."""

    trouble = ""

    def __init__(self, source: Source) -> None:
        self.ended = False
        self._source = source
        self._open = False
        self._wishes, self._heeded = Wishes(), 0
        self._counts = {"frames": 0, "damaged": 0}

    def start(self) -> None:
        """Open the source. Raises what opening raises."""
        self._source.open()
        self._open = True

    def take(self, timeout_s: float) -> Frame | None:
        """The next frame, valid until the next call; None at the end. Raises FrameDamaged for one frame, CameraLost."""
        try:
            self._heeded = self._wishes.heed(self._source, self._heeded)
            frame = self._source.read()
        except FrameDamaged:
            self._counts["damaged"] += 1
            raise
        if frame is None:
            self.ended = True
        else:
            self._counts["frames"] += 1
            frame.wish = self._heeded
        return frame

    def want(self, wanted: Sequence[Pixels]) -> int:
        """Have frames serve models of all these pictures; the ``wish`` of the first that do. For any thread."""
        return self._wishes.tell(wanted)

    def counts(self) -> Dict[str, int]:
        """Frames that came, and those that could not be used."""
        return dict(self._counts)

    def stop(self) -> None:
        """Let go of the source."""
        if self._open:
            self._open = False
            self._source.close()
