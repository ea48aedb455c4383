"""What structured pruning says: groups, what stays and why, unknown layers."""

from __future__ import annotations

import keras
from keras import layers

from bramble.events import Note

from ..nets import chain, scrambled, tricky, widths
from .test_slim import NO_DATA, how, told


def test_unknown_layers_are_told() -> None:
    """One warning names what is left alone."""
    pixels = keras.Input((4, 4, 2))
    x = layers.PReLU(name="odd")(layers.Conv2D(4, 1, name="near")(pixels))
    x = layers.Conv2D(4, 1, name="far")(x)
    model = keras.Model(pixels, layers.Dense(2, name="out")(layers.Flatten()(x)))
    slimmer, events = told(model, NO_DATA, how(steps=2))
    assert [event for event in events if event.warning] == [Note("slim: left alone around odd", warning=True)]
    assert widths(slimmer) == {"near": 4, "far": 2, "out": 2}


def test_groups_are_told_once() -> None:
    """What is cut together and what stays, in the first of two rounds."""
    _, events = told(chain(4), NO_DATA, how(steps=2))
    assert events == [
        Note("slim: 2 channels of conv0: stays: the model's input"),
        Note("slim: 4 channels of conv0, out: cut together"),
        Note("slim: 2 channels of out: stays: the model's output"),
    ]


def test_filters_tell_what_a_sum_carries() -> None:
    """With kind = filters the twelve channels of the sum, six groups, stay for its sake."""
    _, events = told(tricky(), NO_DATA, how(kind="filters"))
    assert "6 channels of a, deep, norm, b, squeeze, excite, c, d: stays: a sum carries it, kind = filters" in str(
        events
    )


def test_many_groups_are_told_in_twelve_lines() -> None:
    """Sixteen layers in a row have seventeen lines, of which twelve are told."""
    _, events = told(chain(*[2] * 16), NO_DATA, how())
    assert len(events) == 13
    assert events[-1] == Note("slim: and 6 more")


def test_glu_is_told_and_left_alone() -> None:
    """The layers around an activation that halves the width keep theirs."""
    x = pixels = keras.Input((2, 2, 2))
    for name in ("a", "b"):
        x = layers.Conv2D(4, 1, name=name)(x)
    x = layers.GlobalAveragePooling2D()(layers.Activation("glu", name="halved")(x))
    slimmer, events = told(scrambled(keras.Model(pixels, x)), NO_DATA, how())
    assert widths(slimmer) == {"a": 2, "b": 4}
    assert events[0] == Note("slim: left alone around halved", warning=True)
