"""Batch norm statistics taken anew, for a model whose layers changed under its norms.

    mean, variance ← those of each norm's inputs over all given pictures, first norm first

Momentum-free: plain averages over the pictures, as inference will see them (each norm is measured behind the new
statistics of those before it). No labels, no gradients; scale and shift (gamma, beta) stay. Frozen norms too: what they
had learnt belongs to channels that are gone.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.graph.channels import nodes
from bramble_agent.pixels import table, to_input
from bramble_agent.wire import Pixels, TensorSpec

BATCH = 256
FLOAT = TensorSpec("", (), "float32")


def reestimate(model: keras.Model, pictures: NDArray[np.uint8], pixels: Pixels) -> None:
    """Set the moving mean and variance of all of the model's norms from ``pictures`` [N, height, width, channels]."""
    seen = to_input(pictures, table(pixels, FLOAT))
    read: dict[int, tuple[Any, list[Any]]] = {}
    for node in nodes(model):
        if isinstance(node.operation, keras.layers.BatchNormalization):
            _, tensors = read.setdefault(id(node.operation), (node.operation, []))
            tensors.append(node.input_tensors[0])
    for norm, tensors in read.values():
        mean, variance = _moments(keras.Model(model.inputs[0], tensors), norm.axis, seen)
        norm.moving_mean.assign(mean)
        norm.moving_variance.assign(variance)


def _moments(tap: keras.Model, axis: int, seen: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of each channel over pictures and places; in two passes, so that nothing cancels."""

    def averaged(value: Any) -> NDArray[np.float64]:
        total, count = np.float64(0.0), 0
        for start in range(0, len(seen), BATCH):
            answers = tap(seen[start : start + BATCH], training=False)
            for answer in answers if isinstance(answers, list | tuple) else [answers]:
                rows = np.moveaxis(np.asarray(answer, dtype=np.float64), axis, -1)
                rows = rows.reshape(-1, rows.shape[-1])
                total, count = total + value(rows).sum(0), count + len(rows)
        return np.asarray(total / count)

    mean = averaged(lambda rows: rows)
    return mean, averaged(lambda rows: np.square(rows - mean))
