"""Criteria against finite differences of a loss written out in numpy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from bramble.datasets.types import Images
from bramble.pruning import scores
from bramble_agent.wire import Pixels

DOT = Pixels(1, 1, "gray")
WEIGHTS = np.array([1.5, -2.0])


def line(activation: str | None = None) -> keras.Model:
    """Logits (or their softmax) = pixel · the two weights."""
    pixels = keras.Input((1, 1, 1))
    dense = keras.layers.Dense(2, use_bias=False, activation=activation, name="dense")
    model = keras.Model(pixels, dense(keras.layers.Flatten()(pixels)))
    model.set_weights([WEIGHTS[None]])
    return model


def pictures(count: int) -> Images:
    """Pictures of one pixel, with both labels."""
    generator = np.random.default_rng(5)
    pixels = generator.integers(0, 256, (count, 1, 1, 1), dtype=np.uint8)
    return Images(pixels, generator.integers(0, 2, count))


def loss(weights: NDArray[np.float64], images: Images) -> float:
    """The mean cross-entropy."""
    logits = images.pixels.reshape(-1, 1) / 255 * weights
    rows = np.arange(len(images))
    return float(np.mean(np.log(np.exp(logits).sum(1)) - logits[rows, images.labels]))


def slope(images: Images) -> NDArray[np.float64]:
    """The gradient of the loss by central differences."""
    steps = np.eye(2) * 1e-5
    return np.array([(loss(WEIGHTS + step, images) - loss(WEIGHTS - step, images)) / 2e-5 for step in steps])


def test_magnitude_by_hand() -> None:
    """The absolute value of every weight."""
    (found,) = scores.magnitude([line().get_layer("dense")])
    assert found.tolist() == [[1.5, 2.0]]


def test_random_is_seeded_and_differs_between_layers() -> None:
    """One seed gives the same numbers, another others, and two layers of one shape not the same."""
    layers = [line().get_layer("dense"), line().get_layer("dense")]
    first, again, other = (scores.random(layers, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])
    assert first[0].shape == (1, 2)


@pytest.mark.parametrize("activation", [None, "softmax"])
@pytest.mark.parametrize("count", [5, 64, 70])
def test_taylor_by_finite_differences(count: int, activation: str | None) -> None:
    """|w · ∂L/∂w| with L the mean over all pictures, though 70 are a batch of 64 and one of 6."""
    model, images = line(activation), pictures(count)
    (found,) = scores.taylor(model, [model.get_layer("dense")], images, DOT)
    assert found[0] == pytest.approx(np.abs(WEIGHTS * slope(images)), rel=1e-4)


def test_obd_of_one_picture_by_hand() -> None:
    """A logit is w·x: its derivative is x, whatever the random sign; so ½ · x² · w²."""
    model, one = line(), pictures(1)
    (found,) = scores.obd(model, [model.get_layer("dense")], one, DOT)
    x = float(one.pixels[0, 0, 0, 0]) / 255
    assert found[0] == pytest.approx(0.5 * x**2 * WEIGHTS**2, rel=1e-4)


def test_obd_of_many_pictures_is_near_the_mean_curvature() -> None:
    """The mean of x²; 40 batches of random signs know it to about 22 %."""
    model, images = line(), pictures(2_560)
    (found,) = scores.obd(model, [model.get_layer("dense")], images, DOT)
    h = np.mean(np.square(images.pixels[:, 0, 0, 0] / 255.0))
    assert found[0] == pytest.approx(0.5 * h * WEIGHTS**2, rel=0.5)


def test_obd_does_not_care_how_sure_the_model_is() -> None:
    """Ten times the last layer's weights: probabilities near 0 and 1, and the first layer's scores grow by 100."""
    unsure, sure = stack(1.0), stack(10.0)
    (little,), (much,) = (scores.obd(one, [one.get_layer("first")], pictures(9), DOT) for one in (unsure, sure))
    assert much == pytest.approx(100 * little, rel=1e-4)
    assert (little > 0).any()


def stack(scale: float) -> keras.Model:
    """Two dense layers on one pixel; the second's weights are multiplied by ``scale``."""
    model = keras.Sequential(
        [keras.Input((1, 1, 1)), keras.layers.Flatten(), keras.layers.Dense(3, name="first"), keras.layers.Dense(2)]
    )
    first, second = np.array([[0.5, -1.0, 2.0]]), np.array([[1.0, -1.0], [0.5, 2.0], [-1.5, 0.25]])
    model.set_weights([first, np.zeros(3), scale * second, np.zeros(2)])
    return model


def test_gradients_leave_the_model_alone() -> None:
    """Scoring moves neither weights nor the statistics of batch norm."""
    pixels = keras.Input((1, 1, 1))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 1, name="conv")(pixels))
    model = keras.Model(pixels, keras.layers.Flatten()(x))
    before = model.get_weights()
    scores.taylor(model, [model.get_layer("conv")], pictures(9), DOT)
    scores.obd(model, [model.get_layer("conv")], pictures(9), DOT)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
