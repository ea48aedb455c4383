"""Penalties on the size of weights, added to the loss: l1, l2, and Hanson & Pratt's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from bramble.tuning import Tuning


def kernels(model: keras.Model) -> list[Any]:
    """The weights that multiply (kernels of dense, convolution and depthwise layers), not biases or statistics."""
    return [weight for weight in model.trainable_weights if len(weight.shape) > 1]


@contextmanager
def penalties(model: keras.Model, how: Tuning) -> Iterator[None]:
    """While inside, the loss has l1·Σ|w| + l2·Σw² + h·Σ|w|/(1+|w|) over all kernels added to it."""
    weights = kernels(model) if how.l1 or how.l2 or how.hanson_pratt else []
    before = [weight.regularizer for weight in weights]
    for weight in weights:
        weight.regularizer = Penalty(how.l1, how.l2, how.hanson_pratt)
    try:
        yield
    finally:
        for weight, regularizer in zip(weights, before, strict=True):
            weight.regularizer = regularizer


class Penalty(keras.regularizers.Regularizer):  # type: ignore[misc]
    """l1·Σ|w| + l2·Σw² + h·Σ|w|/(1+|w|); the last is the biased weight decay of Hanson & Pratt (NIPS 1989)."""

    def __init__(self, l1: float, l2: float, hanson_pratt: float) -> None:
        self.l1, self.l2, self.hanson_pratt = l1, l2, hanson_pratt

    def __call__(self, weight: Any) -> Any:
        """The penalty of one kernel."""
        ops = keras.ops
        size = ops.abs(weight)
        total = self.l1 * ops.sum(size) + self.l2 * ops.sum(ops.square(weight))
        return total + self.hanson_pratt * ops.sum(size / (1.0 + size)) if self.hanson_pratt else total
