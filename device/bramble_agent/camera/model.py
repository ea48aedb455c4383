"""A release ready to look at frames: its converter and its predictor, which belong together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..wire import Pixels
from .frame import Frame
from .predict import Predictor, Seen

if TYPE_CHECKING:
    from numpy.typing import NDArray

Convert = Callable[[Frame], "NDArray[Any]"]
Converters = Callable[[Pixels], Convert]


class Model:
    """Frames in, what is seen out. Who converts and predicts holds ``lock`` for both: there is one buffer of each."""

    def __init__(self, predictor: Predictor, converters: Converters) -> None:
        """``converters`` makes a converter for the predictor's pixels; it gives the same buffer for every frame."""
        self.lock = threading.Lock()
        self.predict = predictor
        self.convert = converters(predictor.pixels)
        self.release, self.name, self.labels = predictor.release, predictor.name, predictor.labels


def named(seen: Seen, task: str, threshold: float) -> frozenset[str]:
    """What a model says there is: a classifier its best label, a detector all labels from ``threshold`` on."""
    if task == "detection":
        return frozenset(sight.label for sight in seen.sights if sight.score >= threshold)
    return frozenset(sight.label for sight in seen.sights[:1])
