"""Change what a functional Keras graph is made of: layers replaced by chains of layers, nothing nested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from bramble.errors import IncompatibleError
from bramble.graph.copying import copy_weights


def demand_plain(model: keras.Model) -> None:
    """Raise IncompatibleError for a model that is not a plain graph (nested or subclassed)."""
    if not getattr(model, "outputs", None):
        raise IncompatibleError(f"{model.name} is not a functional model", "build it with keras.Input and layer calls")
    inner = [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    if inner:
        raise IncompatibleError(f"{model.name} holds the model {inner[0]}", "flatten nested models first")


def with_chains(model: keras.Model, chains: Mapping[str, Sequence[keras.Layer]]) -> keras.Model:
    """A copy of ``model``, weights included, where new layers, one after the other, stand for each named one.

    Raises IncompatibleError for a model that is not a plain graph, or where a new layer's name is taken.
    """
    demand_plain(model)
    taken = {layer.name for layer in model.layers} & {new.name for chain in chains.values() for new in chain}
    if taken:
        raise IncompatibleError(f"{model.name} has a layer {sorted(taken)[0]} already", "give that layer another name")

    def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer.name not in chains:
            return layer(*args, **kwargs)
        x = args[0]
        for new in chains[layer.name]:
            x = new(x)
        return x

    # a Sequential holds no graph that can be called otherwise, the functional model over its tensors does
    graph = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    changed = keras.models.clone_model(graph, call_function=called)
    for layer in model.layers:
        if layer.weights and layer.name not in chains:
            copy_weights(layer, changed.get_layer(layer.name))
    return changed
