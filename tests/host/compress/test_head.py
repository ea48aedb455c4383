"""A new head: what it computes, what of the body stays, and which models have no place for one."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.compress.head import head
from bramble.compress.quantize import quantize
from bramble.datasets.types import Dataset
from bramble.errors import IncompatibleError, RecipeError
from bramble.events import EpochEnded, Event
from bramble.recipe import Head
from bramble.recipe_quantize import Quantize
from bramble.training.lesson import PLAIN, Lesson
from bramble.training.softmax import ends_in_softmax
from bramble.work import Work
from bramble_zoo import digits_cnn, lenet300, resnet8

from ..conftest import GRAY8, quiet
from ..nets import copied, scrambled


def how(**changes: object) -> Head:
    """One epoch, with some keys changed."""
    return Head.model_validate({"do": "head", "epochs": 1, "batch_size": 32, "learning_rate": 1e-3} | changes)


def net(ending: str | None = None) -> keras.Model:
    """8 x 8 → conv, batch norm, dropout, pooling → flatten, dense 16, dense 10."""
    pixels = keras.Input((8, 8, 1))
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(6, 3, activation="relu", name="conv")(pixels))
    x = layers.MaxPooling2D(name="pool")(layers.Dropout(0.3, name="drop")(x))
    x = layers.Dense(16, activation="relu", name="fc1")(layers.Flatten()(x))
    return scrambled(keras.Model(pixels, layers.Dense(10, activation=ending, name="fc2")(x), name="net"))


def part(data: Dataset) -> Dataset:
    """A little of it to train on."""
    return Dataset(data.labels, data.train.take(np.arange(96)), data.held_out, data.test)


def features(model: keras.Model, pictures: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the body gives."""
    return np.asarray(keras.Model(model.input, model.get_layer("pool").output)(pictures), dtype=np.float64)


def softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Row by row."""
    return np.asarray(np.exp(x) / np.exp(x).sum(-1, keepdims=True))


@pytest.mark.parametrize("ending", [None, "softmax"])
@pytest.mark.parametrize("linear", [True, False])
def test_what_the_head_computes(digits: Dataset, linear: bool, ending: str | None) -> None:
    """mean·W + b, or the mean of relu(map·W + b), by numpy; logits stay logits and probabilities probabilities."""
    changed = head(net(ending), how(linear=linear), quiet(part(digits)), PLAIN)
    pictures = (digits.test.pixels[:8] / 255).astype(np.float32)
    maps = features(changed, pictures)
    weight, bias = changed.get_layer("head_linear" if linear else "head_maps").get_weights()
    expected = maps.mean((1, 2)) @ weight + bias if linear else np.maximum(maps @ weight[0, 0] + bias, 0).mean((1, 2))
    expected = softmax(expected) if ending else expected
    assert np.allclose(changed(pictures, training=False), expected, atol=1e-4)
    assert ends_in_softmax(changed) == (ending == "softmax")
    assert not {"fc1", "fc2"} & {layer.name for layer in changed.layers}
    assert changed.output_shape == (None, 10)


@pytest.mark.parametrize("frozen", [True, False])
def test_the_body_learns_or_stays_to_the_bit(digits: Dataset, frozen: bool) -> None:
    """Frozen: weights and batch norm's statistics are the same bits, and trainable again afterwards; else they move."""
    model = net()
    before = {name: model.get_layer(name).get_weights() for name in ("conv", "norm")}
    changed = head(model, how(freeze_body=frozen, l2=0.1, dropout=0.2), quiet(part(digits)), PLAIN)
    for name, weights in before.items():
        found = changed.get_layer(name).get_weights()
        assert all(np.array_equal(a, b) for a, b in zip(weights, found, strict=True)) == frozen
    assert all(layer.trainable for layer in changed.layers)
    assert len(changed.trainable_weights) == 2 + 2 + 2
    assert [layer.rate for layer in changed.layers if isinstance(layer, layers.Dropout)] == [0.2, 0.2]
    assert np.any(changed.get_layer("head_linear").get_weights()[1])  # a bias begins with zeros


def test_a_frozen_body_is_normalised_as_in_use(digits: Dataset) -> None:
    """The loss that is told is that of batch norm's own statistics: with a rate of almost nothing, as afterwards."""
    model = scrambled(net())
    model.get_layer("drop").rate = 0.0
    data = part(digits)
    told: list[Event] = []
    settings = how(freeze_body=True, learning_rate=1e-12, schedule="constant")
    changed = head(model, settings, Work(data, GRAY8, 1, told.append), PLAIN)
    answers = np.asarray(changed((data.train.pixels / 255).astype(np.float32), training=False), dtype=np.float64)
    expected = -np.mean(np.log(softmax(answers)[np.arange(len(data.train)), data.train.labels]))
    (ended,) = [event for event in told if isinstance(event, EpochEnded)]
    assert ended.loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_trained_on_top_of_its_old_self_then_int8(trained: keras.Model, digits: Dataset) -> None:
    """Taught by the model with its old head, the new one learns; a quarter of the weights is gone; int8 is audited."""
    changed = head(copied(trained), how(epochs=6, learning_rate=5e-3), quiet(digits), Lesson(trained))
    assert changed.count_params() == trained.count_params() - (128 * 32 + 32) - (32 * 10 + 10) + (32 * 10 + 10)
    pictures = (digits.test.pixels / 255).astype(np.float32)
    assert np.mean(np.asarray(changed(pictures)).argmax(1) == digits.test.labels) > 0.6
    made = quantize(changed, Quantize(do="quantize", calibration=100), quiet(digits))
    assert len(made.tflite) < len(made.float_tflite)


@pytest.mark.slow
def test_a_sequential_model(digits: Dataset) -> None:
    """Its feature map is found, and the result is a functional model."""
    line = [keras.Input((8, 8, 1)), layers.Conv2D(4, 3, name="conv"), layers.Flatten(), layers.Dense(10)]
    changed = head(keras.Sequential(line, name="line"), how(), quiet(part(digits)), PLAIN)
    assert [layer.name for layer in changed.layers[1:]] == ["conv", "head_pool", "head_dropout", "head_linear"]


def joined() -> keras.Model:
    """Two feature maps that meet flattened."""
    pixels = keras.Input((8, 8, 1))
    flat = [layers.Flatten()(layers.Conv2D(2, size)(pixels)) for size in (3, 5)]
    return keras.Model(pixels, layers.Dense(10)(layers.Concatenate(name="meet")(flat)), name="joined")


def pooled() -> keras.Model:
    """Pooled, then two dense layers."""
    pixels = keras.Input((8, 8, 1))
    x = layers.GlobalAveragePooling2D(name="mean")(layers.Conv2D(4, 3)(pixels))
    return keras.Model(pixels, layers.Dense(10)(layers.Dense(8)(x)), name="pooled")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda: lenet300.build((8, 8, 1), 10), "lenet300 has no feature map, flatten.* takes the picture itself"),
        (pooled, "pooled pools its feature map already, in mean"),
        (lambda: resnet8.build((16, 16, 1), 10), "the last feature map of resnet8 is 1 x 1"),
        (joined, "meet joins several branches behind the last feature map of joined"),
    ],
)
def test_models_without_a_place_for_it(model: object, said: str, digits: Dataset) -> None:
    """No map, one that is pooled, one of a single position, several: refused with advice before any training."""
    with pytest.raises(RecipeError, match=said) as caught:
        head(model(), how(), quiet(digits), PLAIN)  # type: ignore[operator]
    assert caught.value.hint


def test_nested_models_are_refused(digits: Dataset) -> None:
    """A model inside the model is told."""
    pixels = keras.Input((8, 8, 1))
    with pytest.raises(IncompatibleError, match="holds the model digits_cnn"):
        head(keras.Model(pixels, layers.Dense(2)(digits_cnn.build((8, 8, 1), 10)(pixels))), how(), quiet(digits), PLAIN)
