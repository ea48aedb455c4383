"""Small Keras graphs for the tests of compression: every way in which channels meet, and weights that hide nothing."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from bramble.graph.copying import copy_weights


def copied(model: keras.Model) -> keras.Model:
    """Another model of the same layers and weights."""
    copy = keras.models.clone_model(model)
    copy_weights(model, copy)
    return copy


def scrambled(model: keras.Model, seed: int = 1) -> keras.Model:
    """The model with random weights everywhere: biases and the statistics of batch norm too (variances above 0)."""
    generator = np.random.default_rng(seed)
    model.set_weights(
        [0.2 + 0.3 * np.abs(generator.normal(size=w.shape)) * _signs(w, generator) for w in model.weights]
    )
    return model


def _signs(weight: keras.Variable, generator: np.random.Generator) -> NDArray[np.float64] | float:
    return 1.0 if weight.name == "moving_variance" else generator.choice([-1.0, 1.0], size=weight.shape)


def tricky() -> keras.Model:
    """8 x 8 x 3 → conv, depthwise with multiplier 2, addition, squeeze and excite, concatenation, flatten, dense.

    The addition gives conv "b" first, so that its 12 channels meet the 6 of "a", each twice.
    """
    pixels = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="a")(pixels)
    deep = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="deep")(x)
    deep = layers.BatchNormalization(name="norm")(deep)
    x = layers.Add(name="add")([layers.Conv2D(12, 1, name="b")(x), layers.ReLU()(deep)])
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Dense(4, activation="relu", name="squeeze")(gate)
    gate = layers.Dense(12, activation="sigmoid", name="excite")(gate)
    x = layers.Multiply(name="scale")([x, gate])
    y = layers.Conv2D(5, 3, padding="same", name="c")(x)
    x = layers.MaxPooling2D(4)(layers.Concatenate()([x, y]))
    x = layers.Dense(7, activation="relu", name="d")(layers.Flatten()(x))
    return scrambled(keras.Model(pixels, layers.Dense(3, name="out")(x), name="tricky"))


def chain(*widths: int, normalised: bool = False) -> keras.Model:
    """2 x 2 x 2 → 1 x 1 convolutions of these widths, "conv0", "conv1", … → flatten → dense "out" of 2."""
    x = pixels = keras.Input((2, 2, 2))
    for number, width in enumerate(widths):
        x = layers.Conv2D(width, 1, name=f"conv{number}")(x)
        x = layers.BatchNormalization(name=f"norm{number}")(x) if normalised else x
    out = layers.Dense(2, name="out")(layers.Flatten()(x))
    return scrambled(keras.Model(pixels, out, name="chain"))


def widths(model: keras.Model) -> dict[str, int]:
    """The number of output channels of each convolution and dense layer."""
    kinds = (layers.Conv2D, layers.Dense)
    return {layer.name: layer.kernel.shape[-1] for layer in model.layers if isinstance(layer, kinds)}
