"""Empirical bias correction (Nagel et al. 2019, 1906.04721; the mean's part of Banner et al. 2019, 1810.05723).

    b_c → b_c + E[y_c] − E[ỹ_c]

Rounded weights and activations shift what a channel gives in the mean. y is what the float layer gives before its
activation, ỹ what the rounded one gives, whose inputs come through all that is rounded before it; both are taken over
the calibration pictures and all positions. Layers are corrected in the graph's order, so that each sees the corrected
ones before it. A layer that is called several times gets the mean over its calls. Spread is not corrected: with one
scale a channel it hardly shrinks at 8 bits.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.quantization.export import Ready, round_kernels
from bramble.quantization.graph import Copies, rebuilt
from bramble.quantization.plain import WEIGHTED
from bramble.quantization.ranges import Batches
from bramble.quantization.taps import through, ways

Row = NDArray[np.float64]


def correct_bias(ready: Ready, reference: keras.Model, batches: Batches) -> None:
    """Shift the biases of a simulation, in place, until each channel's mean is the ``reference``'s, the float graph's.

    The two have the same layers (``with_biases``). Kernels are rounded to their grids first.
    """
    round_kernels(ready)
    expected = _means(reference, ways(reference), batches)
    for name, calls in ways(ready.simulation).items():
        found = _means(ready.simulation, {name: calls}, batches)
        bias = ready.simulation.get_layer(name).bias
        bias.assign(np.asarray(bias, np.float64) + expected[name] - found[name])


def with_biases(model: keras.Model) -> keras.Model:
    """A copy of ``model`` whose layers with kernels all have biases; new ones are 0."""
    copies, given = Copies(), dict[int, Any]()

    def call(name: str, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        layer = node.operation
        if node.is_input:
            return args[0]
        if not isinstance(layer, WEIGHTED) or layer.use_bias:
            return copies.of(layer)(*args, **kwargs)
        if id(layer) not in given:
            new = layer.__class__.from_config(layer.get_config() | {"use_bias": True})
            width = node.output_tensors[0].shape[-1]
            given[id(layer)] = copies.give(new, [np.asarray(layer.kernel), np.zeros(width, np.float32)])
        return given[id(layer)](*args, **kwargs)

    made = rebuilt(model, call)
    copies.settle()
    return made


def _means(model: keras.Model, calls: dict[str, list[Any]], batches: Batches) -> dict[str, Row]:
    """The mean of what layers give, one a channel, over pictures, positions and calls."""
    names = [name for name, nodes in calls.items() for _ in nodes]
    tensors = [node.output_tensors[0] for nodes in calls.values() for node in nodes]
    sums: dict[str, Row] = {}
    counts = dict.fromkeys(calls, 0)
    for values in through(model, tensors, batches):
        for name, value in zip(names, values, strict=True):
            rows = value.reshape(-1, value.shape[-1])
            sums[name] = sums.get(name, 0.0) + rows.sum(0, dtype=np.float64)
            counts[name] += len(rows)
    return {name: total / counts[name] for name, total in sums.items()}
