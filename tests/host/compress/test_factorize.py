"""Factorization as a stage: answers, the error knob, what stays whole, and that the result goes on to int8."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.compress.factorize import factorize
from bramble.compress.quantize import quantize
from bramble.datasets.types import Dataset
from bramble.errors import IncompatibleError, RecipeError, UsageError
from bramble.events import EpochEnded, Event, Note
from bramble.recipe import Factorize
from bramble.recipe_quantize import Quantize
from bramble.training.lesson import PLAIN, Lesson
from bramble.work import Work
from bramble_zoo import digits_cnn, resnet8

from ..conftest import GRAY8, quiet
from ..nets import copied, scrambled

NO_DATA = Dataset((), None, None, None)  # type: ignore[arg-type]


def how(**changes: object) -> Factorize:
    """The default error without training, with some keys changed."""
    return Factorize.model_validate({"do": "factorize", "epochs": 0} | changes)


def told(model: keras.Model, **changes: object) -> tuple[keras.Model, list[Event]]:
    """The factorized model, untrained, and what was said."""
    events: list[Event] = []
    return factorize(model, how(**changes), Work(NO_DATA, GRAY8, 1, events.append), PLAIN), events


def thin(model: keras.Model, seed: int = 1) -> keras.Model:
    """The model with kernels of rank 2 in both channel modes (and random weights everywhere else)."""
    generator = np.random.default_rng(seed)
    for layer in scrambled(model).layers:
        if type(layer) in (layers.Conv2D, layers.Dense) and layer.kernel.shape[-1] > 2:
            *size, into, out = layer.kernel.shape
            left, right = (
                generator.normal(size=(into, 2)),
                generator.normal(size=(2, out)),
            )
            core = generator.normal(size=(*size, 2, 2)) / np.sqrt(into)
            layer.kernel.assign(left @ core @ right)
    return model


def answers(model: keras.Model, seed: int = 1) -> NDArray[np.float32]:
    """What it says to noise."""
    noise = np.random.default_rng(seed).normal(size=(4, *model.input_shape[1:])).astype(np.float32)
    return np.asarray(model(noise, training=False))


def close(one: keras.Model, other: keras.Model) -> bool:
    """Whether the answers are equal, to 1e-4 of their size."""
    first, second = answers(one), answers(other)
    return bool(np.allclose(first, second, atol=1e-4 * np.abs(first).max()))


def kernels(model: keras.Model) -> dict[str, tuple[int, ...]]:
    """The shapes of the kernels by layer."""
    return {layer.name: tuple(layer.kernel.shape) for layer in model.layers if hasattr(layer, "kernel")}


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("size", "strides", "dilation"), [(3, 1, 1), (3, 2, 1), (3, 1, 2), ((1, 5), 2, 1), (1, 1, 1), (1, 2, 1)]
)
def test_convolutions_of_low_rank_answer_alike(padding: str, size: Any, strides: int, dilation: int) -> None:
    """Strides, padding and dilation of every kind stay, and bias and activation come last: equal to 1e-4."""
    pixels = keras.Input((9, 9, 12))
    x = layers.Conv2D(16, size, strides, padding, dilation_rate=dilation, activation="relu", name="conv")(pixels)
    model = thin(keras.Model(pixels, layers.Dense(2)(layers.Flatten()(x))))
    smaller, _ = told(model, error=1e-3, layers=["conv"])
    pointwise = size == 1
    expected = {"conv_u": (1, 1, 12, 2), "conv_core": (3, 3, 2, 2), "conv_v": (1, 1, 2, 16)}
    if pointwise:
        del expected["conv_core"]
    elif size != 3:
        expected["conv_core"] = (1, 5, 2, 2)
    assert {name: shape for name, shape in kernels(smaller).items() if "conv" in name} == expected
    assert close(model, smaller)
    assert [layer.use_bias for layer in smaller.layers if "conv" in layer.name] == [False] * (len(expected) - 1) + [
        True
    ]


def test_a_residual_graph_answers_alike() -> None:
    """ResNet-8 with thin kernels: all convolutions and no others are replaced, answers equal, far fewer weights."""
    model = thin(resnet8.build((16, 16, 3), 10))
    smaller, events = told(model, error=1e-3)
    assert close(model, smaller)
    assert smaller.count_params() < model.count_params() / 8
    assert not any(isinstance(layer, keras.Model) for layer in smaller.layers)
    (note,) = [event.text for event in events if isinstance(event, Note)]
    before, after = (sum(map(math.prod, kernels(one).values())) for one in (model, smaller))
    assert note == f"factorize: {before:,} weights of {', '.join(kernels(model))} as {after:,}"


def test_dense_layers_in_a_row() -> None:
    """Softmax, biases, names: x·U·V + b at the end, U·√S and √S·V weighing alike."""
    pixels = keras.Input((8, 8, 1))
    x = layers.Dense(40, activation="tanh", name="fc")(layers.Flatten()(pixels))
    model = thin(keras.Model(pixels, layers.Dense(3, activation="softmax", name="out")(x)))
    smaller, _ = told(model, error=1e-3)
    assert kernels(smaller) == {"fc_u": (64, 2), "fc_v": (2, 40), "out_u": (40, 2), "out_v": (2, 3)}
    assert close(model, smaller)
    assert smaller.layers[-1].activation is keras.activations.softmax
    assert smaller.get_layer("fc_u").activation is keras.activations.linear
    u, v = (np.asarray(smaller.get_layer(name).kernel) for name in ("fc_u", "fc_v"))
    assert np.linalg.norm(u, axis=0) == pytest.approx(np.linalg.norm(v, axis=1), rel=1e-4)


@pytest.mark.parametrize("error", [0.2, 0.5])
def test_the_error_knob_is_honoured(trained: keras.Model, error: float) -> None:
    """By numpy's norms each replaced kernel is off by at most the error, and by more than half of it."""
    smaller, _ = told(trained, error=error)
    own = {layer.name: np.asarray(layer.kernel) for layer in trained.layers if hasattr(layer, "kernel")}
    new = {layer.name: np.asarray(layer.kernel) for layer in smaller.layers if hasattr(layer, "kernel")}
    replaced = [name for name in own if name not in new]
    assert replaced
    for name in replaced:
        kernel = np.eye(own[name].shape[-2])
        for part in ("u", "core", "v"):
            if f"{name}_{part}" in new:
                kernel = kernel @ new[f"{name}_{part}"]
        off = np.linalg.norm(own[name] - kernel) / np.linalg.norm(own[name])
        assert error / 2 < off <= error + 1e-6
    assert smaller.count_params() < trained.count_params()


def test_what_would_grow_stays_whole() -> None:
    """A thin kernel is split, one of full rank beside it is not and is told; its weights are its own."""
    pixels = keras.Input((8, 8, 1))
    x = layers.Dense(40, name="full")(layers.Flatten()(pixels))
    model = scrambled(keras.Model(pixels, layers.Dense(20, name="thin")(x)))
    generator = np.random.default_rng(1)
    model.get_layer("thin").kernel.assign(generator.normal(size=(40, 1)) @ generator.normal(size=(1, 20)))
    smaller, events = told(model, error=0.01)
    assert set(kernels(smaller)) == {"full", "thin_u", "thin_v"}
    assert np.array_equal(smaller.get_layer("full").get_weights()[0], model.get_layer("full").get_weights()[0])
    assert events == [Note("factorize: 800 weights of thin as 60; left whole: full")]


def test_grouped_depthwise_and_own_layers_are_left_alone() -> None:
    """Only plain dense and convolution layers are touched, however thin the others are."""

    class Own(layers.Dense):  # type: ignore[misc]
        pass

    pixels = keras.Input((8, 8, 8))
    x = layers.Conv2D(16, 3, groups=2, name="grouped")(pixels)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.Conv2D(16, 3, name="plain")(x)
    model = thin(keras.Model(pixels, Own(12, name="own")(layers.Flatten()(x))))
    smaller, _ = told(model, error=0.01)
    assert set(kernels(smaller)) == {"grouped", "depthwise", "plain_u", "plain_core", "plain_v", "own"}
    assert close(model, smaller)
    with pytest.raises(RecipeError, match="no layer 'grouped' to factorize") as caught:
        told(model, layers=["grouped"])
    assert caught.value.hint == "its layers: plain"


def test_only_named_layers() -> None:
    """The others stay, though they would get smaller."""
    model = thin(digits_cnn.build((8, 8, 1), 10))
    names = [layer.name for layer in model.layers if isinstance(layer, layers.Dense)]
    smaller, _ = told(model, error=0.01, layers=names[:1])
    assert set(kernels(smaller)) - set(kernels(model)) == {f"{names[0]}_u", f"{names[0]}_v"}


def test_growing_is_refused() -> None:
    """Full-rank kernels and a small error: told what to do."""
    model = scrambled(digits_cnn.build((8, 8, 1), 10))
    with pytest.raises(RecipeError, match=r"factorize would grow the model: at error = 0\.001") as caught:
        told(model, error=0.001)
    assert caught.value.hint == "raise error or leave the stage out"


def test_dropout_of_the_recipe_and_nested_models() -> None:
    """The recipe's rate is set in the result; without such layers, and for a nested model, it is refused."""
    smaller, _ = told(thin(digits_cnn.build((8, 8, 1), 10)), error=0.1, dropout=0.4)
    assert [layer.rate for layer in smaller.layers if isinstance(layer, layers.Dropout)] == [0.4]
    with pytest.raises(UsageError, match="has no Dropout layer"):
        told(resnet8.build((16, 16, 3), 10), dropout=0.4)
    pixels = keras.Input((8, 8, 1))
    with pytest.raises(IncompatibleError, match="holds the model digits_cnn"):
        told(keras.Model(pixels, layers.Dense(2)(digits_cnn.build((8, 8, 1), 10)(pixels))))


@pytest.mark.slow
def test_fine_tuned_by_a_teacher_then_int8(trained: keras.Model, digits: Dataset) -> None:
    """Half of each kernel's norm may go: two epochs repair it, the input is untouched, int8 passes its audit."""
    before = trained.get_weights()
    events: list[Event] = []
    settings = how(error=0.5, epochs=2, batch_size=32, learning_rate=1e-3)
    smaller = factorize(trained, settings, Work(digits, GRAY8, 1, events.append), Lesson(copied(trained)))
    accuracies = [event.held_out_accuracy for event in events if isinstance(event, EpochEnded)]
    assert len(accuracies) == 2
    assert accuracies[-1] > 0.8
    assert all(np.array_equal(a, b) for a, b in zip(before, trained.get_weights(), strict=True))
    made = quantize(smaller, Quantize(do="quantize", calibration=100), quiet(digits))
    assert len(made.tflite) < len(made.float_tflite)
