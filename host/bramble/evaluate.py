"""Score a model on pictures, with the bundle's own preprocessing.

The shipped file through the interpreter that boards use; a Keras model, between stages, directly.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bramble.datasets.types import Images
from bramble_agent import runtime
from bramble_agent.pixels import table, to_input
from bramble_agent.wire import Pixels, TensorSpec

if TYPE_CHECKING:
    import keras

BATCH = 512
FLOAT = TensorSpec("", (), "float32")


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


def evaluate_keras(model: keras.Model, images: Images, pixels: Pixels) -> float:
    """The same score for a Keras model that has not been lowered yet."""
    lookup = table(pixels, FLOAT)
    right = 0
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        outputs = model(to_input(images.pixels[part], lookup), training=False)
        right += int((np.asarray(outputs).argmax(1) == images.labels[part]).sum())
    return right / len(images)
