"""LeNet-300-100: two hidden dense layers; 266,610 parameters on 28 x 28 pictures (LeCun et al. 1998; Han et al. 2015).

The Dropout layers stand where Han's retraining has them; their rate is 0 unless a recipe sets it.
"""

from __future__ import annotations

import keras
from keras import layers


def build(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The model for float input [N, *input_shape]; output: logits [N, classes]."""
    pixels = keras.Input(input_shape)
    x = layers.Flatten()(pixels)
    x = layers.Dense(300, activation="relu", name="fc1")(x)
    x = layers.Dropout(0.0)(x)
    x = layers.Dense(100, activation="relu", name="fc2")(x)
    x = layers.Dropout(0.0)(x)
    return keras.Model(pixels, layers.Dense(classes, name="fc3")(x), name="lenet300")
