"""Every way in which a model is copied leaves an adapted Normalization layer what it is."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers

from bramble.compress.distill import distill
from bramble.compress.factorize import factorize
from bramble.datasets.types import Dataset
from bramble.graph.channels import trace
from bramble.graph.copying import copy_adapted, copy_weights, put_weights
from bramble.graph.flatten import flatten
from bramble.graph.rebuild import without
from bramble.graph.rewire import with_chains
from bramble.recipe import Distill, Factorize
from bramble.training.dropout import with_dropout
from bramble.training.lesson import PLAIN, Lesson

from ..conftest import quiet
from ..nets import copied

PICTURES = np.random.default_rng(3).random((5, 8, 8, 1), dtype=np.float32)
SEEN = np.array([0.0, 4.0], np.float32).reshape(2, 1, 1, 1) * np.ones((1, 8, 8, 1), np.float32)  # mean 2, variance 4


def adapted() -> keras.Model:
    """Normalization, adapted to mean 2 and variance 4 → conv → dropout → dense of 10."""
    keras.utils.set_random_seed(4)
    pixels = keras.Input((8, 8, 1))
    normal = layers.Normalization(name="normal")
    x = layers.Dropout(0.5)(layers.Conv2D(4, 3, name="conv")(normal(pixels)))
    model = keras.Model(pixels, layers.Dense(10, name="out")(layers.Flatten()(x)), name="adapted")
    normal.adapt(SEEN)
    return model


def nested() -> keras.Model:
    """The same inside another model."""
    pixels = keras.Input((8, 8, 1))
    return keras.Model(pixels, layers.Rescaling(2.0)(adapted()(pixels)), name="nested")


def cloned(model: keras.Model) -> keras.Model:
    """Another model, all of its weights given at once."""
    copy = keras.models.clone_model(model)
    copy_weights(model, copy)
    return copy


COPIERS: dict[str, tuple[Callable[[], keras.Model], Callable[[keras.Model], keras.Model]]] = {
    "with_dropout": (adapted, lambda model: with_dropout(model, 0.25)),
    "rebuild": (adapted, lambda model: without(model, trace(model), set())),
    "rewire": (adapted, lambda model: with_chains(model, {})),
    "flatten": (nested, flatten),
    "a whole model": (adapted, cloned),
    "a model inside": (nested, cloned),
}


@pytest.mark.parametrize("name", COPIERS)
def test_a_copy_answers_as_its_model(name: str) -> None:
    """Bit for bit, by other layers; by hand (x − 2)/2 behind the Normalization."""
    build, copier = COPIERS[name]
    model = build()
    copy = copier(model)
    assert not {id(layer) for layer in model._flatten_layers()} & {id(layer) for layer in copy._flatten_layers()}
    assert np.array_equal(np.asarray(copy(PICTURES)), np.asarray(model(PICTURES)))
    (normal,) = (one for one in copy._flatten_layers() if isinstance(one, layers.Normalization))
    assert np.allclose(normal(PICTURES), (PICTURES - 2.0) / 2.0, atol=1e-5)


def test_what_is_cut_elsewhere_leaves_it() -> None:
    """With a channel of the convolution gone, and with the dense layer as factors, it normalises as before."""
    model = adapted()
    found = trace(model)
    conv = next(use for use in found.uses if use.layer.name == "conv")
    smaller = without(model, found, {int(conv.out[0])})
    (first, *_) = model.get_layer("out").get_weights()
    chain = [layers.Dense(3), layers.Dense(10)]
    for one in (smaller, with_chains(model, {"out": chain})):
        assert np.array_equal(one.get_layer("normal")(PICTURES), model.get_layer("normal")(PICTURES))
    assert first.shape[0] == 4 * 36
    assert smaller.get_layer("out").kernel.shape[0] == 3 * 36


def test_stages_keep_it(digits: Dataset) -> None:
    """A factorize stage without training, and a born-again network, whose other weights are new."""
    model = adapted()
    normal = np.asarray(model.get_layer("normal")(PICTURES))
    thin = factorize(
        copied(model), Factorize(do="factorize", error=0.9, layers=("out",), epochs=0), quiet(digits), PLAIN
    )
    data = Dataset(digits.labels, digits.train.take(np.arange(32)), digits.held_out.take(np.arange(32)), digits.test)
    how = Distill(do="distill", teacher="self", fresh=True, epochs=1, learning_rate=1e-12)
    new = distill(model, how, quiet(data), Lesson(copied(model)))
    for one in (thin, new):
        assert np.array_equal(one.get_layer("normal")(PICTURES), normal)
    assert not np.allclose(new.get_layer("conv").kernel, model.get_layer("conv").kernel, atol=1e-2)


def test_adapted_alone() -> None:
    """copy_adapted leaves the other weights; a layer that was given its mean has nothing to copy and keeps it."""
    model = adapted()
    copy = keras.models.clone_model(model)
    before = copy.get_layer("conv").get_weights()
    copy_adapted(model, copy)
    assert np.array_equal(copy.get_layer("normal")(PICTURES), model.get_layer("normal")(PICTURES))
    assert all(np.array_equal(a, b) for a, b in zip(before, copy.get_layer("conv").get_weights(), strict=True))
    given = layers.Normalization(mean=1.0, variance=4.0)
    given.build((None, 3))
    put_weights(given, [])
    assert np.allclose(given(np.ones((1, 3))), 0.0)


def test_weights_of_other_shapes_are_refused() -> None:
    """As Keras does."""
    with pytest.raises(ValueError, match="shape"):
        put_weights(adapted().get_layer("out"), [np.zeros((2, 2)), np.zeros(2)])
