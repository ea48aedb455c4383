"""What pruning left in each layer, and what of its work a machine that skips zeros would still do.

The columns of Han, Pool, Tran, Dally 2015 (1506.02626, tables 3 to 6):

    FLOP = 2 · multiply-accumulates      Act% = share of non-zero values that the layer hands on
    Weights% = share of non-zero weights      FLOP% = Weights% · Act% of the layer before

A layer hands on what the next one reads: after batch norm, activation and pooling (only so LeNet-5's values add up to
the paper's 77 %). Act% of the layer before is measured where a layer reads, which may be behind an addition or a
concatenation; what comes from the model's input counts as 100 %, as in the paper. Total: Act% over all values, FLOP%
over all FLOP. Biases are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from bramble.datasets.types import Images
from bramble.errors import IncompatibleError
from bramble.graph.channels import nodes
from bramble.held.masks import prunable
from bramble_agent.pixels import table, to_input
from bramble_agent.wire import Pixels, TensorSpec

BATCH = 100
FLOAT = TensorSpec("", (), "float32")
HANDS_ON = (
    layers.Activation,
    layers.BatchNormalization,
    layers.Dropout,
    layers.ELU,
    layers.Flatten,
    layers.LeakyReLU,
    layers.ReLU,
    layers.Reshape,
    layers.AveragePooling2D,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.MaxPooling2D,
)


@dataclass(frozen=True)
class LayerRow:
    """One use of a layer. ``handed`` values go on, ``active`` of them non-zero; ``fed``: share of non-zero inputs."""

    name: str
    weights: int
    nonzero: int
    macs: int
    handed: int
    active: float
    fed: float

    @property
    def flop_left(self) -> float:
        """The share of FLOP whose weight and input are both non-zero, were these independent (Han's FLOP%)."""
        return self.nonzero / self.weights * self.fed


def layer_rows(model: keras.Model, images: Images, pixels: Pixels) -> list[LayerRow]:
    """A row for each use of a prunable layer, in order; activations are the mean over ``images``.

    Raises IncompatibleError for a model that is not a plain graph.
    """
    order, wanted = nodes(model), {id(layer) for layer in prunable(model)}
    readers: dict[int, list[Any]] = {}
    for node in order:
        if isinstance(node.operation, keras.Model):
            raise IncompatibleError(
                f"{model.name} holds the model {node.operation.name}", "flatten nested models first"
            )
        for tensor in node.input_tensors:
            readers.setdefault(id(tensor), []).append(node)
    inner = _behind_weights(order, wanted)
    uses = [(node, _handed_on(node.output_tensors[0], readers)) for node in order if id(node.operation) in wanted]
    seen = {id(tensor): tensor for node, out in uses for tensor in (node.input_tensors[0], out)}
    share = dict(zip(seen, _active(model, list(seen.values()), images, pixels), strict=True)) if seen else {}
    return [
        LayerRow(
            name=node.operation.name,
            weights=_size(node.operation),
            nonzero=int(np.count_nonzero(np.asarray(node.operation.kernel))),
            macs=_macs(node),
            handed=math.prod(out.shape[1:]),
            active=share[id(out)],
            fed=share[id(node.input_tensors[0])] if id(node.input_tensors[0]) in inner else 1.0,
        )
        for node, out in uses
    ]


def as_facts(rows: list[LayerRow], pictures: int) -> dict[str, Any]:
    """The rows with a total, as JSON values; shares are from 0 to 1. A layer used twice counts its weights once."""
    flop, handed = sum(row.macs for row in rows) or 1, sum(row.handed for row in rows) or 1
    once = {row.name: row for row in rows}.values()
    weights = sum(row.weights for row in once)
    total = {
        "weights": weights,
        "flop": 2 * sum(row.macs for row in rows),
        "active": sum(row.active * row.handed for row in rows) / handed,
        "kept": sum(row.nonzero for row in once) / (weights or 1),
        "flop_left": sum(row.flop_left * row.macs for row in rows) / flop,
    }
    told = [
        {
            "name": row.name,
            "weights": row.weights,
            "flop": 2 * row.macs,
            "active": row.active,
            "kept": row.nonzero / row.weights,
            "flop_left": row.flop_left,
        }
        for row in rows
    ]
    return {"pictures": pictures, "rows": told, "total": total}


def _size(layer: Any) -> int:
    return int(math.prod(layer.kernel.shape))


def _macs(node: Any) -> int:
    """Each weight of a convolution, depthwise or dense layer is used once at every position of the output."""
    return int(math.prod(node.output_tensors[0].shape[1:-1])) * _size(node.operation)


def _handed_on(tensor: Any, readers: dict[int, list[Any]]) -> Any:
    """What becomes of a layer's output before another layer reads it."""
    while True:
        following = readers.get(id(tensor), [])
        if len(following) != 1 or not isinstance(following[0].operation, HANDS_ON):
            return tensor
        tensor = following[0].output_tensors[0]


def _behind_weights(order: list[Any], wanted: set[int]) -> set[int]:
    """The tensors that a prunable layer has part in."""
    behind: set[int] = set()
    for node in order:
        if id(node.operation) in wanted or any(id(tensor) in behind for tensor in node.input_tensors):
            behind.update(id(tensor) for tensor in node.output_tensors)
    return behind


def _active(model: keras.Model, tensors: list[Any], images: Images, pixels: Pixels) -> list[float]:
    """The share of non-zero values in each tensor."""
    probe, lookup = keras.Model(model.input, tensors), table(pixels, FLOAT)
    counts: NDArray[np.int64] = np.zeros(len(tensors), np.int64)
    for start in range(0, len(images), BATCH):
        outputs = probe(to_input(images.pixels[start : start + BATCH], lookup), training=False)
        counts += [np.count_nonzero(np.asarray(values)) for values in outputs]
    sizes = [math.prod(tensor.shape[1:]) * len(images) for tensor in tensors]
    return [int(count) / size for count, size in zip(counts, sizes, strict=True)]
