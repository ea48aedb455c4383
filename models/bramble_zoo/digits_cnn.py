"""A small CNN for 8 x 8 digits: two 3 x 3 convolutions of 16 and 32 channels, one hidden layer; 9,258 parameters.

Channels are multiples of 8, the width of the int8 tiles of ARM cores.
"""

from __future__ import annotations

import keras
from keras import layers


def build(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The model for float input [N, *input_shape]; output: logits [N, classes]."""
    pixels = keras.Input(input_shape)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(pixels)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(32, activation="relu")(x)
    x = layers.Dropout(0.0)(x)
    return keras.Model(pixels, layers.Dense(classes)(x), name="digits_cnn")
