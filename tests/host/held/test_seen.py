"""Kernels seen through a function: forward and backward by hand, plain layers before and after."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from bramble.held.masks import prunable
from bramble.held.seen import own_kernel, seen_through


def every_kind() -> keras.Model:
    """A convolution, a depthwise one and a dense layer, with batch norm and dropout between."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((6, 6, 2))
    x = layers.BatchNormalization()(layers.Conv2D(3, 3, name="conv")(pixels))
    x = layers.Dropout(0.5)(layers.DepthwiseConv2D(3, name="depthwise")(x))
    return keras.Model(pixels, layers.Dense(2, name="dense")(layers.Flatten()(x)))


def double(kernel: Any) -> Any:
    """A view."""
    return 2.0 * kernel


def pictures() -> Any:
    """Five."""
    return np.random.default_rng(1).normal(size=(5, 6, 6, 2)).astype(np.float32)


@pytest.mark.parametrize("name", ["conv", "depthwise", "dense"])
def test_the_forward_pass_sees_the_view(name: str) -> None:
    """Twice the kernel seen is twice the kernel held; the variable and the other layers are as they were."""
    model = every_kind()
    layer = model.get_layer(name)
    before = model.get_weights()
    with seen_through([layer], [double]):
        found = np.asarray(model(pictures()))
        assert own_kernel(layer) is layer.weights[0]
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    layer.kernel.assign(2.0 * np.asarray(layer.kernel))
    assert np.allclose(found, np.asarray(model(pictures())), atol=1e-6)


def test_gradients_go_straight_past() -> None:
    """Of x·round(w) the derivative by w is x, not the 0 that rounding has."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[2.6]])])
    model.compile(keras.optimizers.SGD(1.0), loss=lambda target, answer: answer)
    with seen_through(model.layers, [keras.ops.round]):
        loss = model.train_on_batch(np.array([[0.5]], np.float32), np.array([[0.0]], np.float32))
    assert float(loss) == pytest.approx(1.5)  # 0.5 · 3
    assert model.get_weights()[0].item() == pytest.approx(2.1)  # 2.6 − 0.5


def test_a_masked_weight_is_exactly_nothing_and_learns() -> None:
    """Behind a mask of (1, 0) the answer is bit for bit the first product; both weights step by their input."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[0.3], [1e6]])])
    model.compile(keras.optimizers.SGD(0.5), loss=lambda target, answer: answer)
    with seen_through(model.layers, [lambda kernel: kernel * np.array([[1.0], [0.0]], np.float32)]):
        loss = model.train_on_batch(np.array([[1.0, 2.0]], np.float32), np.zeros((1, 1), np.float32))
    assert float(loss) == np.float32(0.3)
    assert model.get_weights()[0].ravel().tolist() == pytest.approx([-0.2, 1e6 - 1])


def test_layers_are_plain_again(tmp_path: Any) -> None:
    """Their classes come back, also after an error, and the model saves and loads as plain Keras."""
    model = every_kind()
    kinds = [type(layer) for layer in model.layers]
    with seen_through(prunable(model), [double] * 3):
        assert isinstance(model.get_layer("dense"), layers.Dense)
        assert type(model.get_layer("dense")) is not layers.Dense
    with pytest.raises(RuntimeError, match="stop"), seen_through(prunable(model), [double] * 3):
        raise RuntimeError("stop")
    assert [type(layer) for layer in model.layers] == kinds
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(loaded(pictures()), model(pictures()))


def test_penalties_act_on_the_real_kernel() -> None:
    """An L2 of 0.1 on a kernel of 3 is 0.9, however it is seen."""
    dense = layers.Dense(1, use_bias=False, kernel_regularizer=keras.regularizers.L2(0.1))
    model = keras.Sequential([keras.Input((1,)), dense])
    model.set_weights([np.array([[3.0]])])
    with seen_through(model.layers, [double]):
        assert float(sum(model.losses)) == pytest.approx(0.9)
