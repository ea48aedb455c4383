"""Batch norm statistics against means and variances computed directly."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from bramble.training.bn_stats import reestimate
from bramble_agent.wire import Pixels

from ..nets import scrambled

PICTURES = np.random.default_rng(3).integers(0, 256, (300, 4, 4, 1), dtype=np.uint8)  # a whole batch and a part
PIXELS = Pixels(4, 4, "gray", -1.0, 1.0)


def normalised() -> keras.Model:
    """Conv 1 x 1, norm "first", ReLU, dropout, flatten, dense, norm "second"."""
    pixels = keras.Input((4, 4, 1))
    x = layers.BatchNormalization(name="first")(layers.Conv2D(3, 1, name="conv")(pixels))
    x = layers.Flatten()(layers.Dropout(0.5)(layers.ReLU()(x)))
    return scrambled(keras.Model(pixels, layers.BatchNormalization(name="second")(layers.Dense(2, name="dense")(x))))


def test_statistics_by_numpy() -> None:
    """Mean and variance of each norm's input, the second's behind the new first; all other weights stay."""
    model = normalised()
    before = {weight.path: np.array(weight) for weight in model.weights}
    reestimate(model, PICTURES, PIXELS)
    (kernel, bias), (gamma, beta, mean, variance) = (model.get_layer(n).get_weights() for n in ("conv", "first"))
    x = (PICTURES / 127.5 - 1.0) * kernel.reshape(3) + bias
    assert np.allclose(mean, x.mean((0, 1, 2)), atol=1e-5)
    assert np.allclose(variance, x.var((0, 1, 2)), rtol=1e-4)
    x = np.maximum((x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-3) * gamma + beta, 0)
    x = x.reshape(300, -1) @ model.get_layer("dense").get_weights()[0] + model.get_layer("dense").get_weights()[1]
    *_, mean, variance = model.get_layer("second").get_weights()
    assert np.allclose(mean, x.mean(0), rtol=1e-4, atol=1e-4)
    assert np.allclose(variance, x.var(0), rtol=1e-3)
    changed = {weight.path for weight in model.weights if not np.array_equal(weight, before[weight.path])}
    assert {path.rpartition("/")[2] for path in changed} == {"moving_mean", "moving_variance"}


def test_a_shared_norm_gets_both_inputs() -> None:
    """A norm used twice is measured over all that it reads."""
    pixels = keras.Input((4, 4, 1))
    norm = layers.BatchNormalization(scale=False, center=False, name="norm")
    model = keras.Model(pixels, layers.Add()([norm(pixels), norm(layers.Rescaling(3.0)(pixels))]))
    reestimate(model, PICTURES, PIXELS)
    x = PICTURES / 127.5 - 1.0
    both = np.concatenate([x, 3 * x])
    assert np.allclose(model.get_layer("norm").moving_mean, both.mean(), atol=1e-5)
    assert np.allclose(model.get_layer("norm").moving_variance, both.var(), rtol=1e-4)


def test_a_sequential_model() -> None:
    """One that was never called works too; its norm stands on pixels alone, from −1 to 1."""
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.BatchNormalization(name="norm")])
    reestimate(model, PICTURES, PIXELS)
    assert np.allclose(model.get_layer("norm").moving_mean, (PICTURES / 127.5 - 1.0).mean(), atol=1e-5)


def test_a_model_without_norms_is_left_alone() -> None:
    """Nothing to measure is no error."""
    pixels = keras.Input((4, 4, 1))
    model = keras.Model(pixels, layers.Dense(2)(layers.Flatten()(pixels)))
    before = model.get_weights()
    reestimate(model, PICTURES, PIXELS)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))
