"""The smaller model answers as the big one in which nobody listens to the removed channels."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from bramble.graph.channels import Channels, trace
from bramble.graph.rebuild import without
from bramble_zoo import lenet5, resnet8

from ..nets import chain, copied, scrambled, tricky, widths


@functools.cache
def net(name: str) -> tuple[keras.Model, Channels]:
    """A model with random weights, and its trace."""
    builders = {
        "lenet5": lambda: scrambled(lenet5.build((28, 28, 1), 10)),
        "resnet8": lambda: scrambled(resnet8.build((16, 16, 3), 10)),
        "tricky": tricky,
    }
    model = builders[name]()
    return model, trace(model)


def removable(found: Channels) -> list[list[int]]:
    """The removable groups, those that the same layers make together."""
    made: dict[int, tuple[str, ...]] = {}
    for use in found.uses:
        for root in dict.fromkeys(found.roots(use.out).tolist()):
            made[root] = (*made.get(root, ()), use.layer.name)
    sets: dict[tuple[str, ...], list[int]] = {}
    for root in sorted(made.keys() - found.frozen_roots().keys()):
        sets.setdefault(made[root], []).append(root)
    return list(sets.values())


def deaf(model: keras.Model, found: Channels, gone: set[int]) -> keras.Model:
    """The big model whose convolutions and dense layers have zero weights for what comes in from ``gone``."""
    copy = copied(model)
    for use in found.uses:
        unheard = [int(root) in gone for root in found.roots(use.into)]
        if any(unheard) and isinstance(use.layer, layers.Conv2D | layers.Dense):
            kernel = np.array(use.layer.kernel)
            kernel[..., unheard, :] = 0.0
            copy.get_layer(use.layer.name).kernel.assign(kernel)
    return copy


def demand_same_answers(name: str, gone: set[int]) -> keras.Model:
    """The rebuilt model, once its answers are the deaf one's."""
    model, found = net(name)
    smaller = without(model, found, gone)
    pictures = np.random.default_rng(2).random((3, *model.input_shape[1:]), dtype=np.float32)
    expected, got = (np.asarray(one(pictures, training=False)) for one in (deaf(model, found, gone), smaller))
    scale = max(1.0, float(np.abs(expected).max()))
    assert np.abs(got - expected).max() <= 1e-5 * scale
    return smaller


@pytest.mark.parametrize("name", ["lenet5", "resnet8", "tricky"])
def test_half_of_everything(name: str) -> None:
    """With every second group gone the answers are those of the deaf model; and no longer those of the whole."""
    model, found = net(name)
    gone = {root for members in removable(found) for root in members[1::2]}
    smaller = demand_same_answers(name, gone)
    assert smaller.count_params() < 0.5 * model.count_params()
    pictures = np.ones((1, *model.input_shape[1:]), np.float32)
    assert not np.allclose(smaller(pictures), model(pictures), rtol=0.01)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.data())
def test_any_removable_groups(data: st.DataObject) -> None:
    """Whatever is chosen of the tricky net, one of each set staying: same answers."""
    _, found = net("tricky")
    gone: set[int] = set()
    for members in removable(found):
        gone |= data.draw(st.sets(st.sampled_from(members), max_size=len(members) - 1))
    demand_same_answers("tricky", gone)


def test_widths_by_hand() -> None:
    """Two of the six channels of "a" take four of each layer with twelve along; the rest stays."""
    model, found = net("tricky")
    a = next(found.roots(use.out) for use in found.uses if use.layer.name == "a")
    smaller = without(model, found, {int(a[0]), int(a[3])})
    assert widths(smaller) == {"a": 4, "b": 8, "squeeze": 4, "excite": 8, "c": 5, "d": 7, "out": 3}
    assert smaller.get_layer("deep").kernel.shape == (3, 3, 4, 2)
    assert smaller.get_layer("norm").gamma.shape == (8,)
    assert smaller.get_layer("d").kernel.shape == (2 * 2 * (8 + 5), 7)
    assert (smaller.name, smaller.output_shape) == ("tricky", (None, 3))


def test_sliced_weights_by_hand() -> None:
    """Without channel 1 of three: its column and bias in the maker, its rows in every position of the reader."""
    model = chain(3)
    found = trace(model)
    smaller = without(model, found, {int(found.uses[0].out[1])})
    kernel, bias, dense, _ = model.get_weights()
    rows = [position * 3 + channel for position in range(4) for channel in (0, 2)]
    expected = [kernel[..., [0, 2]], bias[[0, 2]], dense[rows], model.get_weights()[3]]
    assert all(np.array_equal(a, b) for a, b in zip(smaller.get_weights(), expected, strict=True))


def test_nothing_gone_is_a_copy() -> None:
    """The same answers from other variables; the big model is left as it was."""
    model, found = net("tricky")
    before = model.get_weights()
    smaller = without(model, found, set())
    assert all(np.array_equal(a, b) for a, b in zip(smaller.get_weights(), before, strict=True))
    smaller.set_weights([weight * 0 for weight in before])
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def test_what_is_frozen_is_copied_whole() -> None:
    """Around a grouped convolution, a shared layer and unknown ones with weights, the rest still shrinks."""
    pixels = keras.Input((4, 4, 2))
    shared = layers.Dense(4, name="shared")
    x = layers.PReLU(name="odd")(shared(shared(layers.Conv2D(4, 1, name="first")(pixels))))
    x = layers.LayerNormalization()(layers.Conv2D(4, 1, groups=2, name="grouped")(x))
    x = layers.Conv2D(6, 1, name="free")(x)
    model = scrambled(keras.Model(pixels, layers.Dense(3, name="out")(layers.Flatten()(x))))
    found = trace(model)
    (members,) = removable(found)
    assert len(members) == 6
    smaller = without(model, found, set(members[:2]))
    assert widths(smaller) == {"shared": 4, "first": 4, "grouped": 4, "free": 4, "out": 3}
    pictures = np.random.default_rng(3).random((5, 4, 4, 2), dtype=np.float32)
    expected = np.asarray(deaf(model, found, set(members[:2]))(pictures))
    assert np.allclose(smaller(pictures), expected, atol=1e-4)
