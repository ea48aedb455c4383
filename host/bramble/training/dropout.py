"""Dropout rates of a model: what they are, and a copy with others."""

from __future__ import annotations

import keras

from bramble.errors import UsageError
from bramble.graph.copying import copy_weights


def with_dropout(model: keras.Model, rate: float) -> keras.Model:
    """A copy of ``model``, weights included, with this rate in all Dropout layers.

    Raises UsageError where there is no such layer.
    """
    names = dropout_rates(model)
    if not names:
        raise UsageError(f"dropout = {rate}: the model {model.name} has no Dropout layer", "add one, or leave it out")
    return with_rates(model, dict.fromkeys(names, rate))


def dropout_rates(model: keras.Model) -> dict[str, float]:
    """The rates of the model's Dropout layers, by name."""
    return {layer.name: layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)}


def with_rates(model: keras.Model, rates: dict[str, float]) -> keras.Model:
    """A copy of ``model``, weights included, with other dropout rates.

    A copy, because Keras gives a layer that was made with rate 0 no random numbers.
    """

    def copied(layer: keras.Layer) -> keras.Layer:
        changed = {"rate": rates[layer.name]} if layer.name in rates else {}
        return layer.__class__.from_config(layer.get_config() | changed)

    copy = keras.models.clone_model(model, clone_function=copied)
    copy_weights(model, copy)
    return copy
