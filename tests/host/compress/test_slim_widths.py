"""Structured pruning to exact widths by layer name."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from keras import layers

from bramble.datasets.types import Dataset
from bramble.errors import RecipeError
from bramble.training.lesson import Lesson

from ..nets import chain, scrambled, tricky, widths
from .test_slim import how, kept, of_two, told, zero_shot


def named_widths(model: keras.Model, **left: int) -> dict[str, int]:
    """What is left of all layers, with these widths."""
    return widths(zero_shot(model, ratio=None, widths=left))


def test_widths_by_name() -> None:
    """Named layers get their width, the channels with the longest filters; others stay whole."""
    assert named_widths(chain(4, 6, 8), conv0=1, conv2=5) == {"conv0": 1, "conv1": 6, "conv2": 5, "out": 2}
    model = of_two([[3.0, 2.0, 5.0, 1.0], [0.0, -2.0, 5.0, 1.0]])
    assert kept(zero_shot(model, ratio=None, widths={"conv0": 3}), model) == [0, 1, 2]


@pytest.mark.parametrize("left", [{"a": 4}, {"b": 8}, {"a": 4, "b": 8, "excite": 8, "deep": 8}], ids=str)
def test_widths_of_layers_that_are_cut_together(left: dict[str, int]) -> None:
    """Four of "a" are eight of what the sum ties to it, whoever is named."""
    assert named_widths(tricky(), **left) == {"a": 4, "b": 8, "squeeze": 4, "excite": 8, "c": 5, "d": 7, "out": 3}


@pytest.mark.slow
def test_widths_fall_geometrically(trained: keras.Model, digits: Dataset) -> None:
    """From 32 to 8 in two rounds goes through 16; the named layer alone changes."""
    seen: list[int] = []
    name = trained.layers[3].name
    assert widths(trained)[name] == 32

    class Wide(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:
            seen.append(widths(self.model.model)[name])

    settings = how(ratio=None, widths={name: 8}, steps=2, epochs=1, batch_size=512)
    slimmer, _ = told(trained, digits, settings, Lesson(callbacks=(Wide(),)))
    assert seen == [16, 8]
    assert widths(slimmer) == widths(trained) | {name: 8}


@pytest.mark.parametrize(
    ("model", "left", "said"),
    [
        (chain(4), {"conv9": 2}, r"no layer 'conv9' with a width"),
        (chain(4, normalised=True), {"norm0": 2}, r"no layer 'norm0' with a width"),
        (chain(4), {"conv0": 5}, r"conv0 = 5: the layer has 4"),
        (chain(4), {"out": 1}, r"out = 1: its 2 channels stay"),
        (chain(4), {"conv0": 4}, r"widths conv0 = 4: the layers have these widths already"),
        (chain(4), {"out": 2}, r"widths out = 2: the layers have these widths already"),
        (tricky(), {"a": 4, "b": 6}, r"a = 4, b = 6: these layers are cut together"),
        (tricky(), {"b": 7}, r"b = 7 cannot be had"),
    ],
    ids=str,
)
def test_widths_that_cannot_be_had(model: keras.Model, left: dict[str, int], said: str) -> None:
    """Unknown names, too many channels, frozen layers, and layers of one group that disagree are told."""
    with pytest.raises(RecipeError, match=said) as caught:
        named_widths(model, **left)
    assert caught.value.hint


def test_widths_of_layers_that_share_a_part() -> None:
    """Of [x, y] + z, "z" holds the channels of "x" and others: its width and that of "x" cannot both be given."""
    pixels = keras.Input((2, 2, 1))
    x, y, z = (layers.Conv2D(width, 1, name=name)(pixels) for name, width in (("x", 2), ("y", 3), ("z", 5)))
    total = layers.Add()([layers.Concatenate()([x, y]), z])
    model = scrambled(keras.Model(pixels, layers.Dense(2, name="out")(layers.Flatten()(total))))
    assert sum(named_widths(model, z=3).values()) == 3 + 3 + 2
    with pytest.raises(RecipeError, match="x and z share some"):
        named_widths(model, x=1, z=3)
