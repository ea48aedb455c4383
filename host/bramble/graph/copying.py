"""Weights from one layer or model to another, what layers adapted to included.

Keras' Normalization computes with constants that it makes of its weights when it is adapted or loaded; ``set_weights``
alone leaves them as they were, so that a copy of an adapted layer would change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras.layers import Normalization


def copy_weights(source: keras.Layer, target: keras.Layer) -> None:
    """Give ``target`` the weights of ``source``, a layer or model of the same shapes. Raises ValueError for others."""
    put_weights(target, source.get_weights())


def put_weights(target: keras.Layer, weights: Sequence[Any]) -> None:
    """``target.set_weights``, after which its Normalization layers, at any depth, compute with them too."""
    target.set_weights(weights)
    for layer in _adapting(target):
        layer.finalize_state()


def copy_adapted(source: keras.Model, target: keras.Model) -> None:
    """Give ``target``, a clone of ``source``, what Normalization layers know of the data, and no other weights."""
    for old, new in zip(_adapting(source), _adapting(target), strict=True):
        copy_weights(old, new)


def _adapting(layer: keras.Layer) -> list[Any]:
    return [one for one in layer._flatten_layers() if isinstance(one, Normalization)]
