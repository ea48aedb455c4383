"""Kernels that the forward pass sees through a function, while gradients go straight past it.

    seen(w) = w + stop_gradient(view(w) − w):    its value is view(w), its derivative 1

The straight-through estimator (Bengio, Léonard, Courville 2013, 1308.3432), for masks whose weights keep learning and
for weights that are rounded. Keras' layers read ``self.kernel`` where they multiply, so while inside, a layer's class
is a subclass with another ``kernel``. The variable stays where it is: optimiser, penalties, constraints, early stopping
and ``get_weights`` work on the real weights, and afterwards the model is the same plain one, ready to be saved.

``view`` maps a kernel to a tensor of its shape. Biases are always seen as they are. ``seen_as`` takes functions with
derivatives of their own. Contexts nest: what is entered later stands nearer to the variable, so that weights that are
shared and then rounded are ``with seen_through(… round …): with seen_as(… share …):``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import keras

View = Callable[[Any], Any]


@contextmanager
def seen_through(layers: Sequence[keras.Layer], views: Sequence[View]) -> Iterator[None]:
    """While inside, each layer (dense, convolution, depthwise) multiplies by its view of its kernel."""
    with seen_as(layers, [_straight_through(view) for view in views]):
        yield


@contextmanager
def seen_as(layers: Sequence[keras.Layer], functions: Sequence[View]) -> Iterator[None]:
    """While inside, each layer multiplies by a function of its kernel; gradients pass through the function."""
    plain = [type(layer) for layer in layers]
    try:
        for layer, kind, function in zip(layers, plain, functions, strict=True):
            layer.__class__ = _seeing(kind, function)
        yield
    finally:
        for layer, kind in zip(layers, plain, strict=True):
            layer.__class__ = kind


def own_kernel(layer: keras.Layer) -> keras.Variable:
    """The layer's kernel variable itself, whatever the forward pass sees."""
    held = vars(layer)
    return held["_kernel"] if "_kernel" in held else held["kernel"]  # a depthwise layer has no property for it


def _straight_through(view: View) -> View:
    def seen(kernel: Any) -> Any:
        return kernel + keras.ops.stop_gradient(view(kernel) - kernel)

    return seen


def _seeing(kind: Any, function: View) -> Any:
    """A subclass of the layer class ``kind`` whose kernel is a function of it, before those that ``kind`` sees by."""
    functions = (function, *getattr(kind, "seen_by", ()))

    def kernel(layer: keras.Layer) -> Any:
        return reduce(lambda seen, one: one(seen), functions, own_kernel(layer))

    return type(kind)(kind.__name__, (kind,), {"kernel": property(kernel), "seen_by": functions})
