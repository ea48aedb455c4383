"""Frames read by the loop itself."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bramble_agent.camera.direct import Direct
from bramble_agent.camera.frame import Format, Frame
from bramble_agent.errors import CameraLost, CameraMissing, FrameDamaged
from bramble_agent.wire import Pixels
from looking import FORMAT, frame


class Script:
    """A source that does what it is told."""

    live = False

    def __init__(self, *reads: Frame | Exception | None, opening: Exception | None = None) -> None:
        """``reads`` are given or raised one after the other."""
        self._reads, self._opening = list(reads), opening
        self.closed = 0
        self.wanted: list[tuple[Pixels, ...]] = []

    def open(self) -> Format:
        """Open, or fail."""
        if self._opening:
            raise self._opening
        return FORMAT

    def read(self) -> Frame | None:
        """The next."""
        told = self._reads.pop(0)
        if isinstance(told, Exception):
            raise told
        return told

    def want(self, wanted: Sequence[Pixels]) -> None:
        """Remember it."""
        self.wanted.append(tuple(wanted))

    def close(self) -> None:
        """Count it."""
        self.closed += 1


def test_every_frame_to_the_end() -> None:
    """A damaged one is counted, and no end."""
    given = [frame(0), frame(2)]
    source = Script(given[0], FrameDamaged("cut short"), given[1], None)
    direct = Direct(source)
    direct.start()
    got: list[Frame | str | None] = []
    while not direct.ended:
        try:
            got.append(direct.take(0.1))
        except FrameDamaged as error:
            got.append(error.message)
    assert got == [given[0], "cut short", given[1], None]
    assert direct.counts() == {"frames": 2, "damaged": 1}
    direct.stop()
    direct.stop()
    assert source.closed == 1


def test_a_source_that_does_not_open() -> None:
    """Says so at the start, and is not closed."""
    source = Script(opening=CameraMissing("no such folder"))
    direct = Direct(source)
    with pytest.raises(CameraMissing, match="no such folder"):
        direct.start()
    direct.stop()
    assert source.closed == 0


def test_a_source_that_is_lost() -> None:
    """Is the loop's end."""
    direct = Direct(Script(CameraLost("the stick was pulled out")))
    direct.start()
    with pytest.raises(CameraLost):
        direct.take(0.1)


def test_frames_for_others() -> None:
    """The source is told before the next frame is read, once; frames carry the wish they were read under."""
    source = Script(frame(0), frame(1), frame(2), None)
    direct = Direct(source)
    direct.start()
    wishes = [getattr(direct.take(0.1), "wish", None)]
    both = Pixels(4, 4), Pixels(8, 8)
    assert direct.want(both) == 1
    assert source.wanted == []
    wishes += [getattr(direct.take(0.1), "wish", None) for _ in range(2)]
    assert (wishes, source.wanted) == ([0, 1, 1], [both])
