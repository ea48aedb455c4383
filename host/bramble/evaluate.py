"""Score a shipped file on pictures, through the interpreter that boards use, with the bundle's own preprocessing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bramble.datasets.types import Images
from bramble_agent import runtime
from bramble_agent.pixels import table, to_input
from bramble_agent.wire import Pixels


def evaluate(model: Path | bytes, images: Images, pixels: Pixels, threads: int = 2) -> float:
    """The share of ``images`` whose largest output is their class (top-1 accuracy of the .tflite)."""
    engine = runtime.load(model, threads)
    lookup = table(pixels, engine.inputs[0])
    right = 0
    for picture, label in zip(images.pixels, images.labels, strict=True):
        engine.set_input(0, to_input(picture[None], lookup))
        engine.invoke()
        right += int(np.argmax(engine.output(0)) == label)
    return right / len(images)
