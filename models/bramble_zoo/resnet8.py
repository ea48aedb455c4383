"""ResNet-8 of MLPerf Tiny's image classification: 78,666 parameters on 32 x 32 x 3 (Banbury et al. 2021, 2106.07597).

Three residual stacks of 16, 32 and 64 channels, 1 x 1 convolutions on the shortcuts that change shape, average pooling.
Unlike the benchmark's file this one ends in logits.
"""

from __future__ import annotations

import keras
from keras import layers


def build(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """The model for float input [N, *input_shape]; output: logits [N, classes]."""
    pixels = keras.Input(input_shape)
    x = _conv(pixels, 16, 3, 1)
    x = layers.ReLU()(x)
    x = _stack(x, 16, 1)
    x = _stack(x, 32, 2)
    x = _stack(x, 64, 2)
    x = layers.AveragePooling2D((x.shape[1], x.shape[2]))(x)
    x = layers.Flatten()(x)
    return keras.Model(pixels, layers.Dense(classes, kernel_initializer="he_normal")(x), name="resnet8")


def _conv(x: keras.KerasTensor, channels: int, size: int, stride: int) -> keras.KerasTensor:
    x = layers.Conv2D(channels, size, stride, padding="same", kernel_initializer="he_normal")(x)
    return layers.BatchNormalization()(x)


def _stack(x: keras.KerasTensor, channels: int, stride: int) -> keras.KerasTensor:
    y = layers.ReLU()(_conv(x, channels, 3, stride))
    y = _conv(y, channels, 3, 1)
    if stride != 1:
        x = layers.Conv2D(channels, 1, stride, padding="same", kernel_initializer="he_normal")(x)
    return layers.ReLU()(layers.Add()([x, y]))
