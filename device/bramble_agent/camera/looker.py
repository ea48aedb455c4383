"""The loop itself: the newest frame is converted, predicted and decided on; nothing here waits for anything else.

pace, take, every-th? too late? swap? ─▶ convert, moved? ─▶ predict ─▶ decide ─▶ tell, deliver
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import FrameDamaged, ModelRejected
from ..wire import Pixels
from ..wire_camera import CameraAsk
from .brake import Brake
from .decide import Decider, Moment
from .deliver import Delivery
from .event import Event, Prediction
from .frame import Format, Frame
from .model import Convert, Converters
from .motion import Motion
from .pace import Every, Pace
from .predict import Seen
from .stats import Stats
from .swap import Swapper

if TYPE_CHECKING:
    from numpy.typing import NDArray

STILL_MOST, REST_S = 1_000, 0.002  # after so many still frames a source that costs nothing is not raced through
LOOK_S = 0.2  # how long a stop may go unnoticed, and a tick be late


class Frames(Protocol):
    """Where the loop takes frames from: ``newest.Newest``."""

    @property
    def ended(self) -> bool:
        """No frame will come any more."""

    @property
    def trouble(self) -> str:
        """Why no frames come now; "" where they do."""

    def start(self) -> None:
        """Begin to capture."""

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame (of a file: the next), None where none comes in time. It is valid until the next call.

        Raises FrameDamaged for a damaged one that has a name.
        """

    def want(self, wanted: Sequence[Pixels]) -> int:
        """Have frames serve models of all these pictures; the ``wish`` of the first that do. For any thread."""

    def counts(self) -> dict[str, int]:
        """Frames, and drops by cause."""

    def stop(self) -> None:
        """Let go of the source."""


def nothing(*_: object) -> None:
    """What a hook does that nobody set."""


@dataclass
class Hooks:
    """What others do in the loop's thread; they must be quick. ``tick`` is called at least every LOOK_S.

    ``began`` gets the loop's counters before its first tick, ``ended`` is called when it will not look any more.
    """

    began: Callable[[Stats], None] = nothing
    ended: Callable[[], None] = nothing

    prediction: Callable[[Prediction, Frame], None] = nothing
    event: Callable[[Event], None] = nothing
    damaged: Callable[[str, str], None] = nothing  # a picture's name, and what is wrong with it: once each
    tick: Callable[[], None] = nothing


@dataclass
class Parts:
    """What the loop ties together."""

    frames: Frames
    live: bool
    swapper: Swapper
    decider: Decider
    stats: Stats
    deliveries: Sequence[Delivery]
    converters: Converters
    hooks: Hooks = field(default_factory=Hooks)
    brake: Brake = field(default_factory=Brake)


class Looker:
    """One loop over frames."""

    def __init__(self, ask: CameraAsk, parts: Parts) -> None:
        """All parts are started by whoever made them."""
        self._ask, self._parts = ask, parts
        self._stats, self._swapper, self._decider = parts.stats, parts.swapper, parts.decider
        self._pace = Pace(ask.fps) if ask.fps else None
        self._brake = parts.brake
        self._every, self._motion = Every(ask.every), Motion(ask.motion)
        self._deadline_ns = ask.deadline_ms * 1e6 if parts.live and ask.deadline_ms else float("inf")
        self._pictures = any(one.pictures for one in parts.deliveries)
        self._still = 0  # frames running
        self._damaged: set[str] = set()
        self._whole: tuple[Format, Convert] | None = None
        self._stats.release, self._stats.model = self._swapper.model.release, self._swapper.model.name

    def run(self, stop: threading.Event) -> str:
        """Go on until ``stop`` is set ("stop"), the source ends ("end") or enough frames were predicted ("frames")."""
        self._parts.hooks.began(self._stats)
        try:
            return self._run(stop)
        finally:
            self._parts.hooks.ended()

    def _run(self, stop: threading.Event) -> str:
        frames, most, tick = self._parts.frames, self._ask.frames, self._parts.hooks.tick
        while not stop.is_set():
            if most is not None and self._stats.frames >= most:
                return "frames"
            tick()
            now_ns = time.monotonic_ns()
            wait_ns = max(self._brake.wait_ns(now_ns), self._pace.wait_ns(now_ns) if self._pace else 0)
            if wait_ns:
                stop.wait(min(wait_ns / 1e9, LOOK_S))
                continue
            try:
                frame = frames.take(LOOK_S)
            except FrameDamaged as error:
                self._named(error.origin, error.message)
                continue
            if frame is not None:
                self._came(frame)
                if self._still >= STILL_MOST and not self._parts.live:
                    stop.wait(REST_S)
            elif frames.ended:
                return "end"
        return "stop"

    def _came(self, frame: Frame) -> None:
        now_ns = time.monotonic_ns()
        if not self._every.takes(frame.number):
            self._stats.skipped["every"] += 1
            return
        self._brake.took(now_ns)
        if self._pace:
            self._pace.took(now_ns)
        captured_ns = now_ns - frame.taken_ns
        if captured_ns > self._deadline_ns:
            self._stats.skipped["late"] += 1
            return
        self._stats.ages["capture"].record(captured_ns)
        if self._swapper.between(frame):
            self._another(frame)
        looked = self._looked(frame)
        if looked is not None:
            self._tell(frame, looked, captured_ns)

    def _looked(self, frame: Frame) -> tuple[Seen, int] | None:
        """What is seen in a frame and the ns it took; None where it is not looked at."""
        model = self._swapper.model
        try:
            with model.lock:
                pixels = model.convert(frame)
                if not self._motion.lets(pixels):
                    self._stats.skipped["still"] += 1
                    self._still += 1
                    return None
                self._still = 0
                start = time.perf_counter_ns()
                seen = model.predict(pixels, self._decider.how.top)
                return seen, time.perf_counter_ns() - start
        except FrameDamaged as error:
            self._stats.skipped["damaged"] += 1
            self._named(frame.origin, error.message)
            return None
        except ModelRejected as error:
            if not self._swapper.failed(error.message):
                raise
            self._another(frame)
            self._motion = Motion(self._ask.motion)  # it was let through already
            return self._looked(frame)

    def _named(self, picture: str, why: str) -> None:
        """A picture is damaged: told once, by its name."""
        if picture and picture not in self._damaged:
            self._damaged.add(picture)
            self._parts.hooks.damaged(picture, why if why.startswith(picture) else f"{picture}: {why}")

    def _tell(self, frame: Frame, looked: tuple[Seen, int], captured_ns: int) -> None:
        seen, infer_ns = looked
        stats, now_ns = self._stats, time.monotonic_ns()
        age_ns = now_ns - frame.taken_ns
        stats.predicted(now_ns)
        stats.infer.record(infer_ns)
        stats.ages["inference"].record(age_ns)
        self._swapper.looked(frame, seen, infer_ns, now_ns)
        age_ms, release = age_ns / 1e6, stats.release
        events = self._decider.decide(seen.scores, seen.boxes, Moment(frame.number, age_ms, release, frame.origin))
        told = Prediction(frame.number, release, seen.sights, captured_ns / 1e6, age_ms, infer_ns / 1e6, frame.origin)
        self._parts.hooks.prediction(told, frame)
        if events:
            self._deliver(events, frame)

    def _another(self, frame: Frame) -> None:
        """Go on with another model: what was seen that it has no label for is gone."""
        model = self._swapper.model
        age_ms = (time.monotonic_ns() - frame.taken_ns) / 1e6
        gone = self._decider.relabel(model.labels, Moment(frame.number, age_ms, self._stats.release, frame.origin))
        self._stats.release, self._stats.model = model.release, model.name
        if gone:
            self._deliver(gone, frame)

    def _deliver(self, events: Sequence[Event], frame: Frame) -> None:
        picture = self._picture(frame) if self._pictures else None
        for event in events:
            self._stats.events += 1
            for delivery in self._parts.deliveries:
                delivery.put(event, picture if delivery.pictures else None, frame.taken_ns)
            self._parts.hooks.event(event)  # told of only now: whoever hears of it may count on its being acted on

    def _picture(self, frame: Frame) -> NDArray[Any] | None:
        """The whole frame as uint8 [height, width, 3] RGB, a copy; None where it cannot be decoded."""
        shape = frame.format
        if self._whole is None or self._whole[0] != shape:
            self._whole = shape, self._parts.converters(Pixels(shape.height, shape.width, "rgb"))
        try:
            return self._whole[1](frame).copy()
        except FrameDamaged:
            return None
