"""Chains of layers in the place of one: the graph stays, weights follow, and what cannot be is refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from bramble.errors import IncompatibleError
from bramble.graph.rewire import with_chains

from ..nets import scrambled, tricky

PICTURES = np.random.default_rng(1).normal(size=(4, 8, 8, 3)).astype(np.float32)


def test_a_chain_stands_for_its_layer() -> None:
    """A layer of a branching graph becomes two whose product it is: the same answers, no model inside, a copy."""
    model = tricky()
    kernel, bias = model.get_layer("b").get_weights()
    first, second = layers.Conv2D(6, 1, use_bias=False, name="one"), layers.Conv2D(12, 1, name="two")
    changed = with_chains(model, {"b": [first, second]})
    first.set_weights([np.eye(6)[None, None] * 2])
    second.set_weights([kernel / 2, bias])
    names = [layer.name for layer in changed.layers]
    assert {"one", "two"} <= set(names)
    assert "b" not in names
    assert changed.name == "tricky"
    assert np.allclose(changed(PICTURES), model(PICTURES), rtol=1e-4, atol=1e-4)
    assert not {id(layer) for layer in changed.layers} & {id(layer) for layer in model.layers}


def test_a_layer_that_is_used_twice() -> None:
    """Its chain is used twice too, with one set of weights; and a Sequential becomes a functional model."""
    pixels = keras.Input((4,))
    twice = layers.Dense(4, name="twice")
    model = scrambled(keras.Model(pixels, twice(twice(pixels))))
    chain = [layers.Dense(4, use_bias=False, name="one"), layers.Dense(4, name="two")]
    changed = with_chains(model, {"twice": chain})
    chain[0].set_weights([np.eye(4)])
    chain[1].set_weights(twice.get_weights())
    x = np.ones((2, 4), np.float32)
    assert np.allclose(changed(x), model(x), atol=1e-5)
    assert len(changed.weights) == 3
    line = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="a"), layers.Dense(2, name="b")])
    longer = with_chains(line, {"a": [layers.Dense(5), layers.Dense(3)]})
    assert [layer.units for layer in longer.layers[1:]] == [5, 3, 2]
    assert np.array_equal(longer.get_layer("b").get_weights()[0], line.get_layer("b").get_weights()[0])


def test_what_is_no_plain_graph_is_refused() -> None:
    """A model inside the model, a subclassed one, and a name that is taken."""
    pixels = keras.Input((8, 8, 3))
    with pytest.raises(IncompatibleError, match="holds the model tricky"):
        with_chains(keras.Model(pixels, layers.Dense(2)(tricky()(pixels))), {})
    with pytest.raises(IncompatibleError, match="is not a functional model"):
        with_chains(keras.Model(), {})
    with pytest.raises(IncompatibleError, match="has a layer c already"):
        with_chains(tricky(), {"b": [layers.Conv2D(12, 1, name="c")]})
