"""Dead units: which go, by hand; the same answers without them, in every kind of graph; what must stay."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from numpy.typing import NDArray

from bramble.pruning.dead import without_dead
from bramble_zoo import lenet5, resnet8

from ..nets import copied, scrambled, tricky, widths

Picture = NDArray[np.float32]


def pictures(model: keras.Model) -> Picture:
    """Three of noise."""
    return np.random.default_rng(7).random((3, *model.input_shape[1:]), dtype=np.float32)


def same_answers(model: keras.Model) -> keras.Model:
    """The model without dead units, once its answers are the model's own."""
    before = model.get_weights()
    alive = without_dead(model)
    expected, got = (np.asarray(one(pictures(model), training=False)) for one in (model, alive))
    assert np.abs(got - expected).max() <= 1e-5 * max(1.0, float(np.abs(expected).max()))
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))
    return alive


def cut(model: keras.Model, name: str, units: list[int], side: str) -> None:
    """Zero the weights "into" or "out of" these channels of a layer's output or input."""
    kernel = np.array(model.get_layer(name).kernel)
    where = (..., units) if side == "into" else (..., units, slice(None))
    kernel[where] = 0.0
    model.get_layer(name).kernel.assign(kernel)


def stack(*middle: layers.Layer, bias: bool = True, padding: str = "valid") -> keras.Model:
    """6 x 6 x 2 → conv "first" of 4, ReLU → these layers → conv "second" of 3 (3 x 3) → dense "out" of 2."""
    x = pixels = keras.Input((6, 6, 2))
    for layer in (layers.Conv2D(4, 1, activation="relu", name="first"), *middle):
        x = layer(x)
    x = layers.Conv2D(3, 3, use_bias=bias, padding=padding, name="second")(x)
    model = scrambled(keras.Model(pixels, layers.Dense(2, name="out")(layers.Flatten()(x))))
    model.get_layer("first").bias.assign([0.5, -0.5, 0.25, 0.75])
    return model


def test_nothing_dead_is_the_model_itself() -> None:
    """Where all units live, nothing is copied."""
    model = tricky()
    assert without_dead(model) is model


def test_unheard_unit_by_hand() -> None:
    """A unit without output weights goes, and with it whatever only it had heard."""
    pixels = keras.Input((3,))
    x = layers.Dense(4, activation="tanh", name="a")(pixels)
    x = layers.Dense(3, activation="tanh", name="b")(x)
    model = scrambled(keras.Model(pixels, layers.Dense(2, name="out")(x)))
    cut(model, "out", [1], "out of")
    cut(model, "b", [2], "out of")
    kernel = np.array(model.get_layer("b").kernel)
    kernel[3] = [0.0, 5.0, 0.0]  # unit 3 of "a" speaks to the dead unit only
    model.get_layer("b").kernel.assign(kernel)
    alive = same_answers(model)
    assert widths(alive) == {"a": 2, "b": 2, "out": 2}
    assert np.array_equal(alive.get_layer("a").kernel, np.asarray(model.get_layer("a").kernel)[:, [0, 1]])
    assert np.array_equal(alive.get_layer("out").bias, model.get_layer("out").bias)


def test_constant_goes_into_the_bias_by_hand() -> None:
    """Unit 0 gives ReLU(0.5), through its norm (0.5 − 1)/2·3 + 1 = 0.25: 0.25 · Σ of its nine weights is added."""
    norm = layers.BatchNormalization(epsilon=0.0, name="norm")
    model = stack(norm)
    cut(model, "first", [0], "into")
    norm.set_weights([np.full(4, value) for value in (3.0, 1.0, 1.0, 4.0)])
    alive = same_answers(model)
    assert widths(alive) == {"first": 3, "second": 3, "out": 2}
    kernel, bias = model.get_layer("second").get_weights()
    assert np.allclose(alive.get_layer("second").bias, bias + 0.25 * kernel[:, :, 0].sum((0, 1)), atol=1e-6)


@pytest.mark.parametrize(
    "middle",
    [
        [],
        [layers.MaxPooling2D(2, 1, padding="same")],
        [layers.AveragePooling2D(3, 1, padding="same")],
        [layers.UpSampling2D(interpolation="bilinear"), layers.Dropout(0.5), layers.LeakyReLU()],
        [layers.DepthwiseConv2D(3, depth_multiplier=2), layers.ReLU()],
        [layers.Rescaling(2.0, 0.5), layers.ELU(), layers.Activation("sigmoid"), layers.SpatialDropout2D(0.1)],
    ],
    ids=str,
)
def test_constants_pass_through(middle: list[layers.Layer]) -> None:
    """Two of four channels without input weights go, whatever stands in between."""
    model = stack(*middle)
    cut(model, "first", [0, 1], "into")
    assert widths(same_answers(model))["first"] == 2


@pytest.mark.parametrize(
    ("model", "left"),
    [
        (stack(padding="same"), 3),  # 0.5 would be missing along the border; ReLU(−0.5) = 0 is not
        (stack(layers.ZeroPadding2D()), 3),
        (stack(layers.DepthwiseConv2D(3, padding="same", use_bias=False)), 3),
        (stack(bias=False), 3),
        (stack(layers.Conv2D(4, 3, padding="same", groups=2)), 4),
        (stack(layers.PReLU()), 4),
        (stack(layers.Softmax()), 4),
    ],
    ids=["same", "padding", "depthwise", "no bias", "grouped", "unknown", "softmax"],
)
def test_where_folding_is_not_exact_channels_stay(model: keras.Model, left: int) -> None:
    """Of the constants 0.5 and 0, zero padding and a missing bias keep the first; what is frozen keeps both."""
    cut(model, "first", [0, 1], "into")
    assert widths(same_answers(model))["first"] == left


def test_padding_of_one_pixel_kernels_is_none() -> None:
    """A 1 x 1 convolution is never padded, whatever it is called with."""
    pixels = keras.Input((4, 4, 2))
    x = layers.Conv2D(4, 1, name="first")(pixels)
    x = layers.Conv2D(3, 1, padding="same", name="second")(x)
    model = scrambled(keras.Model(pixels, layers.Dense(2)(layers.GlobalMaxPooling2D()(x))))
    cut(model, "first", [2], "into")
    assert widths(same_answers(model)) == {"first": 3, "second": 3} | {model.layers[-1].name: 2}


def residual() -> keras.Model:
    """Two convolutions "a" and "b" of 5, "b" behind "a", added; read by "c" of 3."""
    pixels = keras.Input((6, 6, 2))
    a = layers.Conv2D(5, 3, name="a")(pixels)
    b = layers.BatchNormalization()(layers.Conv2D(5, 1, name="b")(a))
    x = layers.ReLU()(layers.Add()([a, b]))
    x = layers.Conv2D(3, 3, name="c")(x)
    return scrambled(keras.Model(pixels, layers.Dense(2, name="out")(layers.Flatten()(x))))


def test_a_sum_dies_as_a_whole() -> None:
    """Dead in one branch it stays; dead in both it goes, from the layer that reads the branch alone too."""
    model = residual()
    cut(model, "a", [0, 1], "into")
    cut(model, "b", [1, 2], "into")
    assert widths(same_answers(model)) == {"a": 4, "b": 4, "c": 3, "out": 2}


def test_an_unheard_sum_needs_all_readers_deaf() -> None:
    """Channel 4 is heard by "b", channel 3 by nobody."""
    model = residual()
    cut(model, "c", [3, 4], "out of")
    cut(model, "b", [3], "out of")
    assert widths(same_answers(model))["a"] == 4


def test_drawn_dropout_is_not_constant() -> None:
    """A dropout that always draws makes noise of a constant."""
    pixels = keras.Input((3,))
    x = layers.Dropout(0.5)(layers.Dense(4, name="a")(pixels), training=True)
    model = scrambled(keras.Model(pixels, layers.Dense(2)(x)))
    cut(model, "a", [0], "into")
    assert without_dead(model) is model


def test_a_layer_keeps_one_unit() -> None:
    """Where a layer's units are all dead one stays, and the answers are still the same."""
    model = stack()
    cut(model, "first", [0, 1, 2, 3], "into")
    assert widths(same_answers(model)) == {"first": 1, "second": 1, "out": 2}


def test_a_shared_layer_stays() -> None:
    """What a layer used twice reads and makes is left alone, also where its two inputs differ."""
    shared = layers.Dense(4, name="shared")
    pixels = keras.Input((4,))
    model = scrambled(keras.Model(pixels, layers.Dense(2)(layers.ReLU()(shared(shared(pixels))))))
    cut(model, "shared", [0], "into")
    assert widths(same_answers(model))["shared"] == 4


def nets(name: str) -> keras.Model:
    """A graph of the zoo or the tricky one, weights everywhere."""
    return {
        "tricky": tricky,
        "lenet5": lambda: scrambled(lenet5.build((28, 28, 1), 10)),
        "resnet8": lambda: scrambled(resnet8.build((16, 16, 3), 10)),
        "residual": residual,
    }[name]()


def masked(model: keras.Model, seed: int) -> keras.Model:
    """With whole rows and columns of the kernels at zero, and most of the other weights."""
    generator = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.Dense | layers.DepthwiseConv2D):
            kernel = np.array(layer.kernel)
            kernel *= generator.random(kernel.shape) < 0.5
            kernel *= generator.random(kernel.shape[-2:]) < 0.6
            kernel *= generator.random(kernel.shape[-1]) < 0.6
            kernel *= generator.random(kernel.shape[-2])[:, None] < 0.7
            layer.kernel.assign(kernel)
    return model


@pytest.mark.parametrize("name", ["lenet5", "resnet8", "tricky", "residual"])
def test_masked_nets_answer_the_same(name: str) -> None:
    """Many zeros in the zoo's models: fewer parameters, the same answers."""
    model = masked(nets(name), 3)
    assert same_answers(model).count_params() < model.count_params()


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["tricky", "residual"]))
def test_any_masks(seed: int, name: str) -> None:
    """Whatever is masked, the answers stay; and a second removal finds nothing more."""
    alive = same_answers(masked(nets(name), seed))
    assert without_dead(alive) is alive


@pytest.mark.parametrize("inside", [False, True])
def test_an_activation_that_halves_the_width(inside: bool) -> None:
    """Around glu channels stay, though a constant comes in (gate of unit 0 shut by a bias); further up dead ones go."""
    pixels = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 1, name="first")(pixels)
    x = layers.Conv2D(4, 1, activation="glu" if inside else None, name="second")(x)
    x = x if inside else layers.Activation("glu", name="halved")(x)
    model = scrambled(keras.Model(pixels, layers.GlobalAveragePooling2D()(x)))
    cut(model, "first", [1], "into")
    cut(model, "second", [0], "into")
    alive = same_answers(model)
    assert widths(alive) == {"first": 4 if inside else 3, "second": 4}


def test_a_sequential_model_stays_one() -> None:
    """Removal works on a Sequential, which the next stage can train on."""
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Conv2D(4, 3, name="a"), layers.Flatten(), layers.Dense(2)], name="row"
    )
    scrambled(model)
    cut(model, "a", [1], "into")
    alive = same_answers(copied(model))
    assert isinstance(alive, keras.Sequential)
    assert widths(alive)["a"] == 3
