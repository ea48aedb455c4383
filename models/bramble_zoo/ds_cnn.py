"""DS-CNN, a depthwise separable net for microcontrollers (Zhang et al. 2017, 1711.07128), for small pictures.

One convolution with stride 2, four blocks of a 3 x 3 depthwise and a 1 x 1 convolution of 64 channels, a norm and ReLU
after each, average pooling. 22,218 parameters on 28 x 28 x 1 with ten classes, norms counted.
"""

from __future__ import annotations

import keras
from keras import layers

WIDTH = 64
BLOCKS = 4


def build(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The model for float input [N, *input_shape]; output: logits [N, classes]."""
    pixels = keras.Input(input_shape)
    x = _normed(layers.Conv2D(WIDTH, 3, 2, padding="same", use_bias=False)(pixels))
    for _ in range(BLOCKS):
        x = _normed(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
        x = _normed(layers.Conv2D(WIDTH, 1, use_bias=False)(x))
    x = layers.Dropout(0.0)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(pixels, layers.Dense(classes)(x), name="ds_cnn")


def _normed(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization()(x))
