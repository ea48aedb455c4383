"""MobileNet (Howard et al. 2017, 1704.04861) a quarter as wide, for pictures of 32 x 32 and more.

Thirteen blocks of a 3 x 3 depthwise and a 1 x 1 convolution, a norm and ReLU6 after each, average pooling. Pictures
below 64 x 64 keep their size in the first convolution. 221,114 parameters with ten classes, norms counted.
"""

from __future__ import annotations

import keras
from keras import layers

ALPHA = 0.25
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
SMALL = 64


def build(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The model for float input [N, *input_shape]; output: logits [N, classes]."""
    pixels = keras.Input(input_shape)
    stride = 1 if min(input_shape[:2]) < SMALL else 2
    x = _normed(layers.Conv2D(round(32 * ALPHA), 3, stride, padding="same", use_bias=False)(pixels))
    for channels, step in BLOCKS:
        x = _normed(layers.DepthwiseConv2D(3, step, padding="same", use_bias=False)(x))
        x = _normed(layers.Conv2D(round(channels * ALPHA), 1, use_bias=False)(x))
    x = layers.Dropout(0.0)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(pixels, layers.Dense(classes)(x), name="mobilenet")


def _normed(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU(6.0)(layers.BatchNormalization()(x))
