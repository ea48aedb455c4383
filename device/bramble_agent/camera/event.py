"""What the loop tells: a prediction for every frame, an event where a decision changed; and what every action is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import (  # evaluated at run time by codec, on Python 3.9 too
    TYPE_CHECKING,
    Any,
    Dict,
    Optional,
    Protocol,
    Tuple,
)

from ..codec import encode

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """Where in the frame, as shares of its height and width from the top left corner."""

    top: float
    left: float
    bottom: float
    right: float


@dataclass(frozen=True)
class Sight:
    """One thing that was seen: a label with its score in 0..1, and its place where the model tells places."""

    label: str
    score: float
    box: Optional[Box] = None


@dataclass(frozen=True)
class Prediction:
    """What the model says of one frame, best first; ages in ms since the sensor took it."""

    frame: int
    release: str
    sights: Tuple[Sight, ...]
    captured_age_ms: float
    age_ms: float
    infer_ms: float
    picture: str = ""  # the frame's ``origin``


@dataclass(frozen=True)
class Event:
    """A decision that changed. ``id`` is "run-number": the same event always has the same, so it can be told twice.

    ``what`` is "seen" (from now on) or "gone"; ``at`` is seconds since 1970 by the board's clock. ``picture`` is the
    name of the picture that the frame was ("": it came from no file of its own).
    """

    id: str
    at: float
    what: str
    label: str
    score: float
    frame: int
    age_ms: float
    release: str
    box: Optional[Box] = None
    picture: str = ""


def event_json(event: Event) -> Dict[str, Any]:
    """An event as everybody is told of it: ``picture`` only where there is one."""
    held: Dict[str, Any] = encode(event)
    if not event.picture:
        del held["picture"]
    return held


class Action(Protocol):
    """Something that is done with events. Every action has a thread of its own; the loop never waits for one."""

    pictures: bool
    """Whether it wants the picture with the event."""

    kept: bool
    """Whether events that wait for it outlive the process. Not where one that is late is of no use."""

    def open(self) -> None:
        """Connect. Raises ActionFailed where that may work later, BadRequest where it never will."""

    def act(self, event: Event, picture: NDArray[Any] | None) -> None:
        """Do it, and return once it is done for good (written, acknowledged).

        ``picture`` is uint8 [height, width, 3] RGB, or None where nobody asked for pictures. Raises ActionFailed where
        it should be tried again, ActionRefused where it is no use to.
        """

    def close(self) -> None:
        """Let go; never raises."""
