"""What every technique works with, besides the model and its own knobs."""

from __future__ import annotations

from dataclasses import dataclass

from bramble.datasets.types import Dataset
from bramble.events import OnEvent
from bramble_agent.wire import Pixels


@dataclass(frozen=True)
class Work:
    """The data, how its pixels reach the model, the seed, and whom to tell about progress."""

    data: Dataset
    pixels: Pixels
    seed: int
    on_event: OnEvent
