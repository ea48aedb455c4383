"""Layers as matrix products: the same answers as Keras gives, at the positions that were drawn."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from bramble.quantization.patches import grouped, known, patches, ungrouped

from ..nets import scrambled

KINDS = {
    "plain": layers.Conv2D(5, 3),
    "same": layers.Conv2D(5, (3, 2), padding="same"),
    "strided": layers.Conv2D(5, 3, strides=2, padding="same"),
    "strided, even": layers.Conv2D(5, 2, strides=(2, 3), padding="same"),
    "dilated": layers.Conv2D(5, 3, dilation_rate=2, padding="same"),
    "grouped": layers.Conv2D(6, 3, groups=2),
    "depthwise": layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
    "depthwise, strided": layers.DepthwiseConv2D((3, 3), strides=2, padding="same"),
    "dense on pixels": layers.Dense(5),
}


def case(kind: str) -> tuple[Any, Any, Any]:
    """A layer with weights, three pictures of 7 x 9 x 4, and its answers."""
    layer = KINDS[kind].from_config(KINDS[kind].get_config())
    pixels = keras.Input((7, 9, 4))
    model = scrambled(keras.Model(pixels, layer(pixels)))
    x = np.random.default_rng(0).normal(size=(3, 7, 9, 4)).astype(np.float32)
    return layer, x, np.asarray(model(x))


@pytest.mark.parametrize("kind", KINDS)
def test_products_are_the_layers_answers(kind: str) -> None:
    """x·w + b over all positions is what Keras computes, each position once."""
    layer, x, y = case(kind)
    rows, answers = patches(layer, x, y, 10_000, np.random.default_rng(0))
    kernel = grouped(layer, np.asarray(layer.kernel))
    got = rows @ kernel + np.asarray(layer.bias).reshape(len(kernel), 1, -1)
    assert got.shape == answers.shape
    assert np.allclose(got, answers, atol=1e-4)
    assert answers.size == y.size
    assert np.allclose(np.sort(answers, None), np.sort(y, None))


@pytest.mark.parametrize("kind", KINDS)
def test_order_is_undone(kind: str) -> None:
    """Kernels come back as they were."""
    layer, _, _ = case(kind)
    kernel = np.asarray(layer.kernel)
    assert np.array_equal(ungrouped(layer, grouped(layer, kernel)), kernel)


def test_some_positions() -> None:
    """Ten positions of each of three pictures, drawn without putting back."""
    layer, x, y = case("plain")
    rows, answers = patches(layer, x, y, 10, np.random.default_rng(0))
    assert rows.shape == (1, 30, 36)
    assert len(np.unique(answers[0, :, 0])) == 30


def test_kinds_without_patches() -> None:
    """Transposed and 1-d convolutions are none of them."""
    assert not known(layers.Conv2DTranspose(3, 2))
    assert not known(layers.Conv1D(3, 2))
    assert known(layers.Dense(3))
