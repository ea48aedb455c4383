"""What layers with kernels read and give inside a graph, on calibration pictures: what repairs compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.quantization.graph import named_nodes
from bramble.quantization.plain import WEIGHTED
from bramble.quantization.ranges import Batches


def ways(model: keras.Model) -> dict[str, list[Any]]:
    """The calls of each layer with a kernel, by its name, in the graph's order."""
    found: dict[str, list[Any]] = {}
    for _, node in named_nodes(model):
        if isinstance(node.operation, WEIGHTED):
            found.setdefault(node.operation.name, []).append(node)
    return found


def through(model: keras.Model, tensors: Sequence[Any], batches: Batches) -> Iterator[list[NDArray[np.float32]]]:
    """The values of these tensors, [n, …] each, batch by batch."""
    tap = keras.Model(model.inputs, list(tensors))
    for batch in batches():
        yield [np.asarray(value, np.float32) for value in keras.tree.flatten(tap(list(batch), training=False))]
