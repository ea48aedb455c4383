"""The models of the papers that are too particular for the zoo; each builder takes (input_shape, classes)."""

from __future__ import annotations

import keras
from keras import layers

Shape = tuple[int, int, int]


def mnist_cnn(input_shape: Shape, classes: int) -> keras.Model:
    """A teacher for MNIST: four 3 x 3 convolutions with batch norm, about 3.6 million MACs a picture."""
    pixels = keras.Input(input_shape)
    x = layers.MaxPooling2D()(_conv(pixels, 16))
    x = layers.MaxPooling2D()(_conv(_conv(x, 32), 32))
    x = layers.Dropout(0.0)(layers.Flatten()(_conv(x, 64)))
    return keras.Model(pixels, layers.Dense(classes)(x), name="mnist_cnn")


def dense_1200(input_shape: Shape, classes: int) -> keras.Model:
    """Hinton's teacher (1503.02531, section 3): two hidden layers of 1,200 units with dropout."""
    return _two_dense(input_shape, classes, 1200)


def dense_800(input_shape: Shape, classes: int) -> keras.Model:
    """Hinton's student: two hidden layers of 800 units."""
    return _two_dense(input_shape, classes, 800)


def dense_1000(input_shape: Shape, classes: int) -> keras.Model:
    """HashedNets' three-layer net (1504.04788, section 6): one hidden layer of 1,000 units, dropout before the last."""
    pixels = keras.Input(input_shape)
    x = layers.Dense(1000, activation="relu", name="fc1")(layers.Flatten()(pixels))
    return keras.Model(pixels, layers.Dense(classes, name="fc2")(layers.Dropout(0.0)(x)), name="dense_1000")


def binary_1024(input_shape: Shape, classes: int) -> keras.Model:
    """BinaryConnect's MNIST net (1511.00363, section 3.1): 3 x 1,024 units, a norm after each layer."""
    pixels = keras.Input(input_shape)
    x = layers.Flatten()(pixels)
    for name in ("fc1", "fc2", "fc3"):
        x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(1024, use_bias=False, name=name)(x)))
        x = layers.Dropout(0.0)(x)
    x = layers.BatchNormalization()(layers.Dense(classes, use_bias=False, name="fc4")(x))
    return keras.Model(pixels, x, name="binary_1024")


def small_cnn(input_shape: Shape, classes: int) -> keras.Model:
    """For MNIST in a few kilobytes: three 3 x 3 convolutions without norms, halved after each, and a dense layer."""
    x = pixels = keras.Input(input_shape)
    for name, width in (("conv1", 16), ("conv2", 32), ("conv3", 32)):
        x = layers.Conv2D(width, 3, padding="same", activation="relu", name=name)(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.0)(layers.Flatten()(x))
    return keras.Model(pixels, layers.Dense(classes, name="fc")(x), name="small_cnn")


def plain_2(input_shape: Shape, classes: int) -> keras.Model:
    """Mirzadeh's plain CNN (1902.03393) with 2 convolutions, narrow."""
    return _plain(input_shape, classes, (8,), (8,))


def plain_4(input_shape: Shape, classes: int) -> keras.Model:
    """The plain CNN with 4 convolutions, narrow."""
    return _plain(input_shape, classes, (8, 8), (16, 16))


def plain_10(input_shape: Shape, classes: int) -> keras.Model:
    """The plain CNN with 10 convolutions, narrow."""
    return _plain(input_shape, classes, (12, 12), (24, 24, 24, 24), (48, 48, 48, 48))


def _two_dense(input_shape: Shape, classes: int, units: int) -> keras.Model:
    pixels = keras.Input(input_shape)
    x = layers.Flatten()(pixels)
    x = layers.Dropout(0.0)(layers.Dense(units, activation="relu", name="fc1")(x))
    x = layers.Dropout(0.0)(layers.Dense(units, activation="relu", name="fc2")(x))
    return keras.Model(pixels, layers.Dense(classes, name="fc3")(x), name=f"dense_{units}")


def _plain(input_shape: Shape, classes: int, *blocks: tuple[int, ...]) -> keras.Model:
    """Blocks of convolutions with batch norm, halved in height and width after each; then one dense layer."""
    x = pixels = keras.Input(input_shape)
    for widths in blocks:
        for width in widths:
            x = _conv(x, width)
        x = layers.MaxPooling2D()(x)
    count = sum(len(widths) for widths in blocks)
    return keras.Model(pixels, layers.Dense(classes)(layers.Flatten()(x)), name=f"plain_{count}")


def _conv(x: keras.KerasTensor, width: int) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same", use_bias=False)(x)))
