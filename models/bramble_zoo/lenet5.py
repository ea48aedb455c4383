"""LeNet-5 as Caffe ships it, the one of the pruning papers: 431,080 parameters on 28 x 28 pictures.

conv 20@5, max-pool, conv 50@5, max-pool, fc 500 with ReLU, fc 10; the convolutions are linear, as in
caffe/examples/mnist/lenet.prototxt.
"""

from __future__ import annotations

import keras
from keras import layers


def build(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The model for float input [N, *input_shape]; output: logits [N, classes]."""
    pixels = keras.Input(input_shape)
    x = layers.Conv2D(20, 5, name="conv1")(pixels)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(50, 5, name="conv2")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(500, activation="relu", name="fc1")(x)
    x = layers.Dropout(0.0)(x)
    return keras.Model(pixels, layers.Dense(classes, name="fc2")(x), name="lenet5")
