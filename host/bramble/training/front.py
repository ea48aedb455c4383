"""What stands before a model while it trains: pixels become real values, and pictures change at random."""

from __future__ import annotations

import keras

from bramble.training.shift import Shift
from bramble.tuning import Augment
from bramble_agent.pixels import CHANNELS
from bramble_agent.wire import Pixels


def front(augment: Augment, pixels: Pixels) -> keras.Sequential:
    """Rescaling, then augmentation, as one model for uint8 pictures."""
    shape = (pixels.height, pixels.width, CHANNELS[pixels.color])
    layers = [keras.Input(shape, dtype="uint8"), rescaling(pixels), *augmentation(augment, pixels)]
    return keras.Sequential(layers)


def augmentation(how: Augment, pixels: Pixels) -> list[keras.Layer]:
    """Random layers for what the recipe switches on, in the order shift, rotate, zoom, contrast, flip."""
    layers: list[keras.Layer] = []
    if how.shift:
        layers.append(Shift(how.shift))
    if how.rotate:
        layers.append(keras.layers.RandomRotation(how.rotate / 360.0, "nearest"))
    if how.zoom:
        layers.append(keras.layers.RandomZoom(how.zoom, fill_mode="nearest"))
    if how.contrast:
        layers.append(keras.layers.RandomContrast(how.contrast, value_range=(pixels.low, pixels.high)))
    if how.flip:
        layers.append(keras.layers.RandomFlip("horizontal"))
    return layers


def rescaling(pixels: Pixels) -> keras.Layer:
    """The layer that maps pixel values 0..255 to the model's real values."""
    return keras.layers.Rescaling((pixels.high - pixels.low) / 255.0, pixels.low)
