"""What long work tells the outside, through one ``on_event`` callable; nobody below the command line prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StageBegan:
    """A stage starts; ``cached`` says that its artifact was there and nothing is computed."""

    number: int
    of: int
    name: str
    cached: bool


@dataclass(frozen=True)
class EpochStep:
    """``done`` of ``steps`` batches of an epoch are through; sent a few times a second at most."""

    epoch: int
    epochs: int
    done: int
    steps: int


@dataclass(frozen=True)
class EpochEnded:
    """An epoch's mean loss and accuracy in training, and the accuracy on the held-out part."""

    epoch: int
    epochs: int
    loss: float
    accuracy: float
    held_out_accuracy: float
    seconds: float


@dataclass(frozen=True)
class Note:
    """Something worth a line: a skipped picture, a file that was written."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Sent:
    """Bytes of an upload that went over, of how many."""

    done: int
    of: int


@dataclass(frozen=True)
class Step:
    """The work on a board came to this step: "connecting", "checking", "measuring", …"""

    name: str


Event = StageBegan | EpochStep | EpochEnded | Note | Sent | Step
OnEvent = Callable[[Event], None]
