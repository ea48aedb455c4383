"""Parts of a camera loop for tests: frames that are given, a converter for them, an action that remembers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bramble_agent.camera.ages import Ages
from bramble_agent.camera.deliver import Acting, Delivery
from bramble_agent.camera.event import Action, Event
from bramble_agent.camera.frame import Format, Frame, Source
from bramble_agent.camera.looker import Frames
from bramble_agent.camera.loop import Openers
from bramble_agent.errors import FrameDamaged
from bramble_agent.wire import Pixels
from bramble_agent.wire_camera import CameraAsk
from making import PICTURES, SIDE

FORMAT = Format(SIDE, SIDE, "gray")


def frame(number: int, pixels: NDArray[np.uint8] | None = None) -> Frame:
    """A frame of one of the tests' pictures, taken now; number modulo 4 says which."""
    chosen = PICTURES[number % 4] if pixels is None else pixels
    return Frame(number, chosen.ravel(), FORMAT, time.monotonic_ns())


class Given:
    """A source that is not opened: ``Feed`` gives its frames."""

    def __init__(self, live: bool = False) -> None:
        """Nothing to hold."""
        self.live = live

    def open(self) -> Format:
        """The tests' pictures."""
        return FORMAT

    def read(self) -> Frame | None:
        """Never asked."""
        raise AssertionError("Feed gives the frames")

    def want(self, wanted: Sequence[Pixels]) -> None:
        """Never told."""
        raise AssertionError("Feed gives the frames")

    def close(self) -> None:
        """Nothing to let go of."""


class Feed:
    """In place of the capture thread: gives frames one after the other, as fast as they are asked for."""

    def __init__(self, frames: Iterable[Frame | None]) -> None:
        """None stands for a frame that did not come in time."""
        self._frames: Iterator[Frame | None] = iter(frames)
        self.ended = self.started = self.stopped = False
        self.given = 0
        self.wanted: list[tuple[Pixels, ...]] = []
        self.trouble = ""

    def start(self) -> None:
        """Note it."""
        self.started = True

    def take(self, timeout_s: float) -> Frame | None:
        """The next."""
        try:
            got = next(self._frames)
        except StopIteration:
            self.ended = True
            return None
        self.given += got is not None
        return got

    def want(self, wanted: Sequence[Pixels]) -> int:
        """Note it; the frames stay what they are."""
        self.wanted.append(tuple(wanted))
        return 0

    def counts(self) -> dict[str, int]:
        """How many were given."""
        return {"frames": self.given}

    def stop(self) -> None:
        """Note it."""
        self.stopped = True


class Plain:
    """A converter for frames whose raw bytes are the model's pixels; a frame without bytes is damaged."""

    def __init__(self, pixels: Pixels) -> None:
        """Any size, grey or colour."""
        self._shape = (pixels.height, pixels.width, 3 if pixels.color == "rgb" else 1)
        self._held = np.empty(self._shape, np.uint8)

    def __call__(self, frame: Frame) -> NDArray[np.uint8]:
        """The one buffer."""
        if not frame.raw.size:
            raise FrameDamaged("no bytes")
        self._held[...] = frame.raw.reshape(frame.format.height, frame.format.width, -1)[..., : self._shape[2]]
        return self._held


class Remembering:
    """An action that keeps what it was given; ``fails`` are raised first, one a try."""

    kept = False

    def __init__(self, pictures: bool = False, fails: Iterable[Exception] = ()) -> None:
        """``gate`` can hold it up."""
        self.pictures = pictures
        self.events: list[Event] = []
        self.shown: list[NDArray[Any] | None] = []
        self.opened = self.closed = 0
        self.tries = 0
        self.gate = threading.Event()
        self.gate.set()
        self._fails = list(fails)

    def open(self) -> None:
        """Count it."""
        self.opened += 1

    def act(self, event: Event, picture: NDArray[Any] | None) -> None:
        """Fail, or remember."""
        self.gate.wait(20.0)
        self.tries += 1
        if self._fails:
            raise self._fails.pop(0)
        self.events.append(event)
        self.shown.append(picture)

    def close(self) -> None:
        """Count it."""
        self.closed += 1


def openers(feed: Feed, live: bool = False, action: Action | None = None) -> Openers:
    """Openers that give these parts, whatever is asked for."""

    def frames(text: str, wanted: Pixels) -> tuple[Source, Frames]:
        return Given(live), feed

    def acting(ask: CameraAsk, ages: Ages) -> Acting:
        assert action is not None or not ask.actions
        return Acting([Delivery(text, action, ages) for text in ask.actions if action is not None])

    return Openers(frames, Plain, acting)


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)
