"""Models with a known illness, for the tests of the doctor."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from bramble.convert import convert
from bramble.datasets.types import Dataset, Images
from bramble.quantization.export import export
from bramble.quantization.fold import fold
from bramble.quantization.places import places
from bramble.quantization.plain import plain
from bramble.quantization.ranges import calibrate
from bramble.quantization.simulate import simulate
from bramble_agent.wire import Pixels

RGB8 = Pixels(8, 8, "rgb")


def shown(count: int = 64) -> NDArray[np.uint8]:
    """Noise as pictures."""
    return np.random.default_rng(5).integers(0, 256, (count, 8, 8, 3), np.uint8)


def files(
    model: keras.Model, pictures: NDArray[np.uint8] | None = None, sick: Mapping[str, float] | None = None
) -> tuple[bytes, bytes]:
    """The int8 and the float .tflite of a model of pictures 0 … 1; ranges of some layers ``sick`` times as wide."""
    given = (shown() if pictures is None else pictures).astype(np.float32) / 255.0
    graph = fold(plain(model))
    where = places(graph, {tensor.name: (0.0, 1.0) for tensor in model.inputs})
    ranges = calibrate(graph, where, lambda: iter([[given]]))
    for name, times in (sick or {}).items():
        low, high = ranges[where.measured[name]]
        ranges[where.measured[name]] = low * times, high * times
    made = export(simulate(graph, where, ranges))
    return made.tflite, convert(graph, "float32", lambda: iter(()))


def with_detector(digits: Dataset) -> tuple[keras.Model, Dataset]:
    """A net on digits with a unit that fires for white pictures alone, at 450 where others stay below 10.

    Among the training pictures one is white: from the smallest to the largest value, the hidden layer has few steps
    left for all others.
    """
    keras.utils.set_random_seed(1)
    pixels = keras.Input((8, 8, 1))
    hidden = layers.Dense(32, activation="relu", name="hidden")(layers.Flatten()(pixels))
    model = keras.Model(pixels, layers.Dense(10, name="out")(hidden), name="detector")
    some = digits.train.take(np.arange(600))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(some.pixels / 255.0, some.labels, epochs=10, verbose=0)
    kernel, bias = model.get_layer("hidden").get_weights()
    kernel[:, 31], bias[31] = 50.0, -50.0 * 55
    model.get_layer("hidden").set_weights([kernel, bias])
    kernel, bias = model.get_layer("out").get_weights()
    kernel[31] = 0.0
    model.get_layer("out").set_weights([kernel, bias])
    white = np.full((1, 8, 8, 1), 255, np.uint8)
    train = Images(np.concatenate([some.pixels, white]), np.append(some.labels, 0))
    return model, Dataset(digits.labels, train, digits.held_out, digits.test)
