"""Layers that rest while others learn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras


@contextmanager
def resting(layers: Sequence[keras.Layer]) -> Iterator[None]:
    """While inside, training moves nothing in these layers; batch norm uses its statistics as they are."""
    before = [layer.trainable for layer in layers]
    for layer in layers:
        layer.trainable = False
    try:
        yield
    finally:
        for layer, trainable in zip(layers, before, strict=True):
            layer.trainable = trainable
