"""Han's table of layers: by slow loops on a hand-made net, by the paper's own figures, and past additions."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.datasets.types import Images
from bramble.errors import IncompatibleError
from bramble.pruning.layers_table import as_facts, layer_rows
from bramble_agent.wire import Pixels
from bramble_zoo import lenet5, lenet300

from ..nets import scrambled

Array = NDArray[np.float64]


def pictures(count: int, *shape: int) -> Images:
    """Random pictures in which about half of the pixels are black."""
    values = np.random.default_rng(3).integers(-255, 256, (count, *shape)).clip(0)
    return Images(values.astype(np.uint8), np.zeros(count, np.int64))


def hand_made() -> keras.Model:
    """4 x 4 x 2 → conv 3 → batch norm → ReLU → max-pool → depthwise x 2, ReLU → dense 5; half of the weights are 0."""
    pixels = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 3, padding="same", name="conv")(pixels)
    x = layers.MaxPooling2D()(layers.ReLU()(layers.BatchNormalization(name="norm")(x)))
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="relu", name="deep")(x)
    model = scrambled(keras.Model(pixels, layers.Dense(5, name="out")(layers.Flatten()(x))))
    for name in ("conv", "deep", "out"):
        layer = model.get_layer(name)
        keep = np.arange(int(np.prod(layer.kernel.shape))).reshape(layer.kernel.shape) % 2
        layer.kernel.assign(np.asarray(layer.kernel) * keep)
    model.get_layer("norm").beta.assign([-2.0, -0.5, 0.1])  # so that some values are zero behind the ReLU
    return model


def slow(model: keras.Model, picture: Array) -> tuple[dict[str, int], dict[str, Array]]:
    """Multiplications of each layer, counted one by one, and what each hands on; no library computes either."""
    macs = dict.fromkeys(("conv", "deep", "out"), 0)
    (kernel, bias), norm = (model.get_layer(name).get_weights() for name in ("conv", "norm"))
    first = np.zeros((4, 4, 3))
    for y, x, c in product(range(4), range(4), range(3)):
        first[y, x, c] = bias[c]
        for dy, dx, k in product(range(3), range(3), range(2)):
            macs["conv"] += 1
            if 0 <= y + dy - 1 < 4 and 0 <= x + dx - 1 < 4:
                first[y, x, c] += picture[y + dy - 1, x + dx - 1, k] * kernel[dy, dx, k, c]
    gamma, beta, mean, variance = norm
    normal = np.maximum(0.0, (first - mean) / np.sqrt(variance + 1e-3) * gamma + beta)
    pooled = np.array([[normal[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].max((0, 1)) for x in range(2)] for y in range(2)])
    kernel, bias = model.get_layer("deep").get_weights()
    deep = np.zeros((2, 2, 6))
    for y, x, c, m in product(range(2), range(2), range(3), range(2)):
        deep[y, x, 2 * c + m] = bias[2 * c + m]
        for dy, dx in product(range(3), range(3)):
            macs["deep"] += 1
            if 0 <= y + dy - 1 < 2 and 0 <= x + dx - 1 < 2:
                deep[y, x, 2 * c + m] += pooled[y + dy - 1, x + dx - 1, c] * kernel[dy, dx, c, m]
    flat, (kernel, bias) = np.maximum(0.0, deep).ravel(), model.get_layer("out").get_weights()
    out = bias.astype(float)
    for i, k in product(range(24), range(5)):
        macs["out"] += 1
        out[k] += flat[i] * kernel[i, k]
    return macs, {"conv": pooled, "deep": flat, "out": out}


def test_slow_reference() -> None:
    """Weights, FLOP, activations and FLOP% of each layer are those of loops that count."""
    model, images = hand_made(), pictures(7, 4, 4, 2)
    counted = [slow(model, picture / 255.0) for picture in images.pixels]
    rows = layer_rows(model, images, Pixels(4, 4, "rgb"))
    assert [row.name for row in rows] == ["conv", "deep", "out"]
    before = 1.0  # what is read from the input
    for row in rows:
        share = float(np.mean([handed[row.name] != 0 for _, handed in counted]))
        kernel = np.asarray(model.get_layer(row.name).kernel)
        kept = sum(weight != 0 for weight in kernel.ravel()) / kernel.size
        assert (row.weights, row.macs) == (kernel.size, counted[0][0][row.name])
        assert row.handed == counted[0][1][row.name].size
        assert row.active == pytest.approx(share)
        assert row.flop_left == pytest.approx(kept * before)
        before = share
    assert 0.1 < rows[0].active < 0.9, "all or nothing would show nothing"
    total = as_facts(rows, 7)["total"]
    assert total["flop"] == 2 * (4 * 4 * 3 * 18 + 2 * 2 * 6 * 9 + 24 * 5)
    assert total["kept"] == pytest.approx((27 + 27 + 60) / (54 + 54 + 120))


HAN = {  # layer, weights, FLOP, Act%, Weights%, FLOP% as in tables 3 and 4 of 1506.02626; the last is the total
    "lenet300": [
        ("fc1", 235_200, 470e3, 38, 8, 8),
        ("fc2", 30_000, 60e3, 65, 9, 4),
        ("fc3", 1_000, 2e3, 100, 26, 17),
        ("", 266_200, 532e3, 46, 8, 8),
    ],
    "lenet5": [
        ("conv1", 500, 576e3, 82, 66, 66),
        ("conv2", 25_000, 3200e3, 72, 12, 10),
        ("fc1", 400_000, 800e3, 55, 8, 6),
        ("fc2", 5_000, 10e3, 100, 19, 10),
        ("", 430_500, 4586e3, 77, 8, 16),
    ],
}


@pytest.mark.parametrize("name", HAN)
def test_the_papers_tables(name: str) -> None:
    """The paper's Act% and Weights% in our rows give its FLOP% and its totals, up to its rounding to whole per cent."""
    model = {"lenet300": lenet300, "lenet5": lenet5}[name].build((28, 28, 1), 10)
    found = layer_rows(model, pictures(2, 28, 28, 1), Pixels(28, 28, "gray"))
    *printed, total = HAN[name]
    rows, before = [], 1.0
    for row, (layer, weights, flop, act, kept, _) in zip(found, printed, strict=True):
        assert (row.name, row.weights) == (layer, weights)
        assert 2 * row.macs == pytest.approx(flop, rel=0.01)
        rows.append(replace(row, nonzero=round(weights * kept / 100), active=act / 100, fed=before))
        before = act / 100
    facts = as_facts(rows, 1)
    for one, (*_, flop_left) in zip([*facts["rows"], facts["total"]], HAN[name], strict=True):
        assert 100 * one["flop_left"] == pytest.approx(flop_left, abs=1.0)
    whole = facts["total"]
    assert (whole["weights"], round(100 * whole["active"])) == (total[1], total[3])
    assert whole["flop"] == pytest.approx(total[2], rel=0.001)
    assert 100 * whole["kept"] == pytest.approx(total[4], abs=0.6)


def test_behind_an_addition() -> None:
    """A layer reads what the addition gives: a branch of zeros hands on nothing, and the next layer reads the other."""
    pixels = keras.Input((2, 2, 1))
    a = layers.Conv2D(4, 1, activation="relu", name="a")(pixels)
    b = layers.Conv2D(4, 1, kernel_initializer="zeros", name="b")(a)
    model = keras.Model(pixels, layers.Dense(2, name="c")(layers.Flatten()(layers.Add()([a, b]))))
    kernel = np.array([1.0, -1.0, 1.0, 0.0]).reshape(1, 1, 1, 4)  # two of four channels are positive on white pixels
    model.get_layer("a").kernel.assign(kernel)
    white = Images(np.full((3, 2, 2, 1), 255, np.uint8), np.zeros(3, np.int64))
    rows = {row.name: row for row in layer_rows(model, white, Pixels(2, 2, "gray"))}
    assert [(rows[name].fed, rows[name].active) for name in "abc"] == [(1.0, 0.5), (0.5, 0.0), (0.5, 1.0)]
    assert [rows[name].flop_left for name in "abc"] == [0.75, 0.0, 0.5]


def test_a_layer_used_twice_has_its_weights_once() -> None:
    """Its work counts each time; the model's weights do not."""
    pixels, shared = keras.Input((2, 2, 1)), layers.Conv2D(1, 1, name="shared")
    model = keras.Model(pixels, layers.Flatten()(shared(shared(pixels))))
    rows = layer_rows(model, pictures(1, 2, 2, 1), Pixels(2, 2, "gray"))
    total = as_facts(rows, 1)["total"]
    assert ([row.name for row in rows], total["weights"], total["flop"]) == (["shared", "shared"], 1, 2 * 2 * 4)


def test_model_without_layers_to_prune_has_an_empty_table() -> None:
    """Nothing to prune is no error."""
    pixels = keras.Input((2, 2, 1))
    rows = layer_rows(keras.Model(pixels, layers.Flatten()(pixels)), pictures(1, 2, 2, 1), Pixels(2, 2, "gray"))
    assert rows == []
    assert as_facts(rows, 1)["total"]["weights"] == 0


def test_nested_model_is_refused() -> None:
    """What is inside another model is not counted behind one's back."""
    pixels = keras.Input((2, 2, 1))
    inner = keras.Sequential([keras.Input((2, 2, 1)), layers.Flatten(), layers.Dense(2)], name="inner")
    with pytest.raises(IncompatibleError, match="holds the model inner"):
        layer_rows(keras.Model(pixels, inner(pixels), name="outer"), pictures(1, 2, 2, 1), Pixels(2, 2, "gray"))
