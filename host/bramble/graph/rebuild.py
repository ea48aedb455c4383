"""A smaller model from a bigger one: the same graph with some channels gone, weights sliced.

The result's answers equal those of the big model with the removed channels forced to zero behind each layer that made
them (and behind its batch norm and activation).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.graph.channels import Channels, Use
from bramble.graph.copying import put_weights

layers = keras.layers


def without(model: keras.Model, found: Channels, gone: set[int]) -> keras.Model:
    """``model`` without the groups ``gone`` (roots of ``found``, the trace of this very model)."""
    kept = {use.layer.name: _kept(found, use, gone) for use in found.uses}

    def narrower(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if layer.name in kept and isinstance(layer, layers.Conv2D) and not isinstance(layer, layers.DepthwiseConv2D):
            config["filters"] = int(kept[layer.name][1].sum())
        elif layer.name in kept and isinstance(layer, layers.Dense):
            config["units"] = int(kept[layer.name][1].sum())
        return layer.__class__.from_config(config)

    smaller = keras.models.clone_model(model, clone_function=narrower)
    for layer in model.layers:
        if layer.weights:
            weights = _sliced(layer, *kept[layer.name]) if layer.name in kept else layer.get_weights()
            put_weights(smaller.get_layer(layer.name), weights)
    return smaller


def _kept(found: Channels, use: Use, gone: set[int]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    into, out = (np.array([int(one) not in gone for one in found.roots(row)]) for row in (use.into, use.out))
    return into, out


def _sliced(layer: Any, into: NDArray[np.bool_], out: NDArray[np.bool_]) -> list[NDArray[Any]]:
    """The layer's weights without the channels that go."""
    if into.all() and out.all():
        return list(layer.get_weights())  # a grouped convolution's kernel has fewer inputs than the layer
    if isinstance(layer, layers.DepthwiseConv2D):
        kernel, *bias = layer.get_weights()
        return [kernel[:, :, into, :], *(one[out] for one in bias)]
    if isinstance(layer, layers.BatchNormalization):
        return [one[out] for one in layer.get_weights()]
    kernel, *bias = layer.get_weights()
    return [kernel[..., into, :][..., out], *(one[out] for one in bias)]
