"""Channels traced through graphs: the groups by hand, what is frozen and why, what is refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from bramble.errors import IncompatibleError
from bramble.graph.channels import Channels, explain, trace
from bramble_zoo import resnet8

from ..nets import chain, tricky


def groups(found: Channels) -> dict[tuple[str, ...], int]:
    """How many removable groups there are of each set of layers that make their channels."""
    makers: dict[int, set[str]] = {}
    for use in found.uses:
        for root in found.roots(use.out):
            makers.setdefault(int(root), set()).add(use.layer.name)
    counted: dict[tuple[str, ...], int] = {}
    for root, names in makers.items():
        if root not in found.frozen_roots():
            counted[tuple(sorted(names))] = counted.get(tuple(sorted(names)), 0) + 1
    return counted


def reasons(found: Channels) -> dict[str, int]:
    """How many groups stay, by the reason."""
    why = list(found.frozen_roots().values())
    return {one: why.count(one) for one in why}


def test_chain_by_hand() -> None:
    """Each convolution's channels are groups of their own; input and output stay; flatten repeats, it makes none."""
    found = trace(chain(3, 4, normalised=True))
    assert groups(found) == {("conv0", "norm0"): 3, ("conv1", "norm1"): 4}
    assert reasons(found) == {"the model's input": 2, "the model's output": 2}
    assert [len(use.into) for use in found.uses if use.layer.name == "out"] == [2 * 2 * 4]


def test_groups_of_resnet8_by_hand() -> None:
    """Six sets: the width inside and of the representation of each stack, 16 / 16 / 32 / 32 / 64 / 64."""
    found = trace(resnet8.build((32, 32, 3), 10))
    sets = groups(found)
    # inside: a convolution and its norm; first stack's sum: two of each; later ones: the shortcut has no norm
    assert sorted((count, len(names)) for names, count in sets.items()) == [
        (16, 2),
        (16, 4),
        (32, 2),
        (32, 3),
        (64, 2),
        (64, 3),
    ]
    carried = {root for root in found.joined_roots() if root not in found.frozen_roots()}
    assert len(carried) == 16 + 32 + 64


def test_groups_of_a_tricky_net_by_hand() -> None:
    """The sum ties two channels of "b" to each of "a"; the gate goes with what it scales; "c" beside it is free."""
    found = trace(tricky())
    assert groups(found) == {
        ("a", "b", "deep", "excite", "norm"): 6,
        ("squeeze",): 4,
        ("c",): 5,
        ("d",): 7,
    }
    a, b = (next(found.roots(use.out) for use in found.uses if use.layer.name == name) for name in "ab")
    assert np.array_equal(b, np.repeat(a, 2))
    assert found.unknown == []


def test_a_gate_joins_no_representation() -> None:
    """Only additions make a width a representation's: what squeeze and excite scales stays free."""
    pixels = keras.Input((4, 4, 2))
    x = layers.Conv2D(6, 1)(pixels)
    x = layers.Multiply()([x, layers.Dense(6)(layers.GlobalAveragePooling2D(keepdims=True)(x))])
    found = trace(keras.Model(pixels, layers.Conv2D(3, 1)(x)))
    assert found.joined_roots() == set()
    assert sum(groups(found).values()) == 6


def test_crossed_additions_come_to_an_end() -> None:
    """[x, y] + [y, x] ties every channel of x to its like in y, whichever way round it is read."""
    pixels = keras.Input((4, 4, 1))
    x, y = layers.Conv2D(3, 1, name="x")(pixels), layers.Conv2D(3, 1, name="y")(pixels)
    total = layers.Add()([layers.Concatenate()([x, y]), layers.Concatenate()([y, x])])
    found = trace(keras.Model(pixels, layers.Conv2D(2, 1)(total)))
    assert groups(found) == {("x", "y"): 3}


def test_concatenation_along_the_height_ties_channels() -> None:
    """Rows put under each other share their channels."""
    pixels = keras.Input((4, 4, 1))
    x, y = layers.Conv2D(3, 1, name="x")(pixels), layers.Conv2D(3, 1, name="y")(pixels)
    below = layers.Concatenate(axis=1)([x, y])
    found = trace(keras.Model(pixels, layers.Conv2D(2, 1)(below)))
    assert groups(found) == {("x", "y"): 3}


def with_middle(*middle: layers.Layer) -> Channels:
    """The trace of conv "before" of 4 → these layers → conv "after" of 4 → conv "out" of 2."""
    x = pixels = keras.Input((4, 4, 2))
    for layer in (layers.Conv2D(4, 1, name="before"), *middle):
        x = layer(x)
    x = layers.Conv2D(4, 1, name="after")(x)
    return trace(keras.Model(pixels, layers.Conv2D(2, 1, name="out")(x)))


@pytest.mark.parametrize(
    ("middle", "why"),
    [
        (layers.PReLU(name="odd"), "odd (PReLU) is not known"),
        (layers.Conv2D(4, 1, groups=2, name="odd"), "odd is a grouped convolution"),
        (layers.Activation("softmax", name="odd"), "odd weighs channels against each other"),
    ],
    ids=["unknown", "grouped", "softmax"],
)
def test_what_freezes_its_channels(middle: layers.Layer, why: str) -> None:
    """An unknown layer, a grouped convolution and a softmax keep the channels before them, not those further on."""
    found = with_middle(middle)
    assert groups(found) == {("after",): 4}
    assert why in reasons(found)
    assert found.unknown == (["odd"] if "not known" in why else [])


@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        (layers.Activation("glu", name="odd"), "Activation"),
        (layers.Activation(lambda x: keras.ops.concatenate([x, -x], -1), name="odd"), "Activation"),
        (layers.Conv2D(6, 1, activation="glu", name="odd"), "Conv2D"),
        (layers.DepthwiseConv2D(1, activation="glu", name="odd"), "DepthwiseConv2D"),
    ],
    ids=["halved", "doubled", "inside a convolution", "inside a depthwise one"],
)
def test_an_activation_that_changes_the_width_is_unknown(odd: layers.Layer, kind: str) -> None:
    """It is named, and freezes what it touches; Keras itself states a wrong shape for it."""
    found = with_middle(odd)
    assert groups(found) == {("after",): 4}
    assert found.unknown == ["odd"]
    assert f"odd ({kind}) is not known" in reasons(found)


def test_softmax_inside_keeps_its_own_layer_only() -> None:
    """A convolution with a softmax stays; what it reads may go."""
    assert groups(with_middle(layers.Conv2D(4, 1, activation="softmax", name="odd"))) == {("before",): 4, ("after",): 4}


def test_a_function_in_the_graph_is_unknown() -> None:
    """keras.ops in a graph is no layer: it freezes and is named."""
    pixels = keras.Input((4, 4, 2))
    x = keras.ops.sin(layers.Conv2D(4, 1)(pixels))
    found = trace(keras.Model(pixels, layers.Conv2D(2, 1)(x)))
    assert groups(found) == {}
    assert len(found.unknown) == 1
    assert "(Sin) is not known" in " ".join(reasons(found))


def test_a_shared_layer_stays() -> None:
    """A convolution that is used twice keeps what goes in and out of it."""
    shared = layers.Conv2D(4, 1, name="shared")
    found = with_middle(shared, layers.ReLU(), shared)
    assert groups(found) == {("after",): 4}
    assert reasons(found)["shared is used more than once"] == 3 * 4


def test_joining_different_widths_freezes_both() -> None:
    """A map of one channel that multiplies four keeps all five."""
    pixels = keras.Input((4, 4, 2))
    x = layers.Conv2D(4, 1)(pixels)
    x = layers.Multiply(name="mask")([layers.Conv2D(1, 1)(pixels), x])
    found = trace(keras.Model(pixels, layers.Conv2D(2, 1)(x)))
    assert groups(found) == {}
    assert reasons(found)["mask joins different widths"] == 5


def test_explanation_by_hand() -> None:
    """One line a group of layers with its count, and why what stays does."""
    assert explain(with_middle(layers.BatchNormalization(name="norm"), layers.PReLU(name="odd"))) == [
        "2 channels of before: stays: the model's input",
        "4 channels of before, norm: stays: odd (PReLU) is not known",
        "4 channels of after: stays: odd (PReLU) is not known",
        "4 channels of after, out: cut together",
        "2 channels of out: stays: the model's output",
    ]


def test_a_sequential_model_is_a_graph() -> None:
    """A Sequential is traced as the functional model it is."""
    model = keras.Sequential([keras.Input((4, 4, 2)), layers.Conv2D(5, 1), layers.Flatten(), layers.Dense(2)])
    assert sum(groups(trace(model)).values()) == 5


class Own(keras.Model):  # type: ignore[misc]
    """A model whose graph nobody can see."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Twice its input."""
        return x * 2


def test_nested_and_subclassed_models_are_refused() -> None:
    """A model without a visible graph, and one with a model inside, are refused with the reason."""
    with pytest.raises(IncompatibleError, match="mine is not a functional model"):
        trace(Own(name="mine"))
    pixels = keras.Input((2, 2, 2))
    outer = keras.Model(pixels, layers.Dense(2)(chain(3)(pixels)), name="outer")
    with pytest.raises(IncompatibleError, match="outer holds the model chain") as caught:
        trace(outer)
    assert "flatten" in caught.value.hint
