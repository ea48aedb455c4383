"""BinaryConnect as a stage: two values a kernel, steps by hand, draws counted, and what stays as it is."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.compress.binarize import binarize
from bramble.compress.prune import prune
from bramble.datasets.types import Dataset
from bramble.errors import RecipeError
from bramble.events import EpochEnded, Event, Note
from bramble.few_values.shadows import clipped, shadow, widen
from bramble.held.masks import prunable
from bramble.held.seen import seen_through
from bramble.recipe import Prune
from bramble.recipe_sharing import Binarize
from bramble.training.hinge import SquareHinge
from bramble.training.lesson import PLAIN
from bramble.work import Work

from ..conftest import GRAY8, quiet
from ..nets import copied


def how(**changes: object) -> Binarize:
    """Without training, with some keys changed."""
    return Binarize.model_validate({"do": "binarize", "epochs": 0} | changes)


def normed() -> keras.Model:
    """Digits through two dense layers of 64 units with batch norm, untrained, weights from seed 1."""
    keras.utils.set_random_seed(1)
    x = pixels = keras.Input((8, 8, 1))
    x = layers.Flatten()(x)
    for name in ("fc1", "fc2"):
        x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(64, use_bias=False, name=name)(x)))
    return keras.Model(pixels, layers.BatchNormalization()(layers.Dense(10, use_bias=False, name="out")(x)))


def kernels(model: keras.Model) -> dict[str, NDArray[np.float32]]:
    """The kernels by layer."""
    return {layer.name: np.array(layer.kernel) for layer in prunable(model)}


def one_layer(weights: list[list[float]]) -> keras.Model:
    """A dense layer of these weights, trained by plain descent at rate 1 on Σ target · answer."""
    model = keras.Sequential([keras.Input((len(weights),)), layers.Dense(len(weights[0]), use_bias=False)])
    model.set_weights([np.array(weights)])
    model.compile(keras.optimizers.SGD(1.0), loss=lambda target, answer: keras.ops.sum(target * answer))
    return model


def test_a_step_by_hand() -> None:
    """The answer is that of ±0.5; the gradient goes to the shadow weights, which stay within ±0.5."""
    model = one_layer([[0.2, -0.1], [0.0, 0.4]])
    one = shadow(model.layers[0], np.ones((2, 2)), 0.5, 1)
    with seen_through(model.layers, [one.signs]), clipped([one]):
        picture = np.array([[1.0, 3.0]], np.float32)
        assert np.asarray(model(picture)).tolist() == [[0.5 + 1.5, -0.5 + 1.5]]
        model.train_on_batch(picture, np.array([[0.05, -0.2]], np.float32))
    shadows = [[0.2 - 0.05, -0.1 + 0.2], [0.0 - 0.15, 0.4 + 0.6]]
    assert np.allclose(model.get_weights()[0], np.clip(shadows, -0.5, 0.5))


def test_draws_follow_the_hard_sigmoid() -> None:
    """Of 4,000 draws at w/a = −1, −0.5, 0, 0.8 and 1, the shares of +a are 0, 1/4, 1/2, 0.9 and 1; then signs."""
    rows = np.tile(np.array([[-2.0, -1.0, 0.0, 1.6, 2.0]], np.float32), (4000, 1))
    model = one_layer(rows.tolist())
    one = shadow(model.layers[0], np.ones(rows.shape), 2.0, 1)
    found, again = (np.asarray(one.drawn(keras.Variable(True, dtype="bool"), one.kernel)) for _ in range(2))
    assert set(np.unique(found)) == {-2.0, 2.0}
    assert np.any(found != again)
    assert np.mean(found > 0, axis=0) == pytest.approx([0.0, 0.25, 0.5, 0.9, 1.0], abs=0.04)
    settled = np.asarray(one.drawn(keras.Variable(False, dtype="bool"), one.kernel))
    assert settled[0].tolist() == [-2.0, -2.0, 2.0, 2.0, 2.0]


def test_ternary_by_hand() -> None:
    """Mean |w| 1.0, so 0.7 is the threshold; the others' mean is 1.75."""
    model = one_layer([[0.1, -0.5, 2.0, -1.5, 0.9]])
    one = shadow(model.layers[0], np.array([[1, 1, 1, 1, 1]]), 1.0, 1)
    large = (2.0 + 1.5 + 0.9) / 3
    assert np.allclose(np.asarray(one.ternary(one.kernel)), [[0, 0, large, -large, large]])


def test_shadows_begin_as_wide_as_a_uniform_kernel() -> None:
    """Weights of standard deviation 1 are brought to a/√3 and clipped at a; zeros by mask do not count."""
    model = one_layer([[1.0, -1.0, 0.0, 1.0]])
    one = shadow(model.layers[0], np.array([[1, 1, 0, 1]]), 0.3, 1)
    widen(one)
    assert np.allclose(np.asarray(one.kernel), np.array([[1, -1, 0, 1]]) * 0.3 / math.sqrt(3))


def test_square_hinge_by_hand() -> None:
    """Labels 2 and 0 of three classes."""
    logits = np.array([[0.5, -2.0, 0.25], [3.0, 1.0, -1.0]], np.float32)
    first = (1.5**2 + 0.0 + 0.75**2) / 3
    second = (0.0 + 2.0**2 + 0.0) / 3
    for labels in (np.array([2, 0]), np.array([[2], [0]])):
        assert float(SquareHinge()(labels, logits)) == pytest.approx((first + second) / 2)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"rule": "stochastic", "loss": "square-hinge"}, {"rule": "ternary"}], ids=str)
def test_training_learns_and_leaves_few_values(digits: Dataset, changes: dict[str, str]) -> None:
    """Twelve epochs from nothing: ±a by Glorot (ternary its own) in every kernel, and the digits are learnt."""
    events: list[Event] = []
    settings = how(epochs=12, batch_size=32, learning_rate=3e-3, **changes)
    made = binarize(normed(), settings, Work(digits, GRAY8, 1, events.append), PLAIN)
    ternary = changes.get("rule") == "ternary"
    for name, kernel in kernels(made).items():
        size = math.sqrt(1.5 / sum(kernel.shape)) if not ternary else np.abs(kernel).max()
        expected = [-size, 0.0, size] if ternary else [-size, size]
        assert np.unique(kernel) == pytest.approx(np.array(expected), rel=1e-5), name
    accuracies = [event.held_out_accuracy for event in events if isinstance(event, EpochEnded)]
    assert accuracies[-1] > 0.85
    assert all(layer.kernel.constraint is None and type(layer) is layers.Dense for layer in prunable(made))


@pytest.mark.slow
def test_kept_layers_and_scale(digits: Dataset) -> None:
    """The first and the last stay real and learn; ±1 on request; it is told."""
    events: list[Event] = []
    settings = how(epochs=1, batch_size=64, keep=["fc1", "out"], scale="one")
    made = kernels(binarize(normed(), settings, Work(digits, GRAY8, 1, events.append), PLAIN))
    assert np.unique(made["fc2"]).tolist() == [-1.0, 1.0]
    assert len(np.unique(made["fc1"])) > 4000
    assert np.any(made["fc1"] != kernels(normed())["fc1"])
    assert events[-1] == Note("binarize: fc2 ±1")


@pytest.mark.slow
def test_zeros_and_shared_values_of_before_stay(digits: Dataset) -> None:
    """A pruned layer becomes ternary by its zeros; a kept layer's two values stay two."""
    model = normed()
    cut = Prune.model_validate({"do": "prune", "epochs": 0, "densities": {"fc1": 0.25}, "remove_dead": False})
    sparse = prune(model, cut, quiet(digits), PLAIN)
    sparse.get_layer("fc2").kernel.assign(np.resize(np.array([0.1, -0.2, 0.1], np.float32), (64, 64)))
    before = kernels(copied(sparse))
    made = kernels(binarize(sparse, how(epochs=1, batch_size=64, keep=["fc2"]), quiet(digits), PLAIN))
    assert np.array_equal(made["fc1"] == 0, before["fc1"] == 0)
    assert len(np.unique(made["fc1"])) == 3
    assert len(np.unique(made["fc2"])) == 2
    assert np.any(made["fc2"] != before["fc2"])


@pytest.mark.slow
def test_norms_are_measured_anew(digits: Dataset) -> None:
    """After training the mean of what reaches the last norm is the norm's own; without reestimate it is not."""
    gaps = []
    for anew in (True, False):
        made = binarize(normed(), how(epochs=1, batch_size=256, reestimate=anew), quiet(digits), PLAIN)
        norm = made.layers[-1]
        tap = keras.Model(made.inputs[0], norm.input)
        answers = np.asarray(tap(digits.train.pixels.astype(np.float32) / 255.0, training=False))
        gaps.append(np.abs(answers.mean(0) - np.asarray(norm.moving_mean)).max())
    assert gaps[0] < 1e-4 < gaps[1]


def test_what_cannot_be_asked_for(digits: Dataset) -> None:
    """A layer that is not there, none left, a hinge on probabilities."""
    with pytest.raises(RecipeError, match="binarize: the model has no layer 'fc9' to binarize"):
        binarize(normed(), how(keep=["fc9"]), quiet(digits), PLAIN)
    with pytest.raises(RecipeError, match="there is no layer to binarize"):
        binarize(normed(), how(keep=["fc1", "fc2", "out"]), quiet(digits), PLAIN)
    pixels = keras.Input((8, 8, 1))
    soft = keras.Model(pixels, layers.Dense(10, activation="softmax")(layers.Flatten()(pixels)))
    with pytest.raises(RecipeError, match="a square hinge loss needs logits"):
        binarize(soft, how(loss="square-hinge"), quiet(digits), PLAIN)
