"""Cross-layer equalization: neighbouring layers share out their channels' ranges (Nagel et al. 2019, 1906.04721).

    s_i = √(r1_i · r2_i) / r2_i        W1_i → W1_i / s_i        b1_i → b1_i / s_i        W2_i → W2_i · s_i

r1_i is max|w| of channel i where layer 1 gives it, r2_i that where layer 2 reads it; both become √(r1_i · r2_i). The
answers stay, since what stands between has f(s·x) = s·f(x) for s > 0: ReLU, leaky ReLU, pooling, padding, flatten.
ReLU6 has not, at any s but 1, so a pair around it is left alone; so is one whose tensor has another reader. Pairs are
gone through until nothing moves, as chains need. With one scale an output channel, what is won is in layer 2 alone,
and ranges of activations may lose what it wins: a choice to be measured.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.quantization.graph import Copies, calls, consumers, named_nodes, rebuilt
from bramble.quantization.plain import WEIGHTED

layers, activations = keras.layers, keras.activations
ROUNDS, STILL = 50, 1e-3
Row = NDArray[np.float64]
HOMOGENEOUS = (
    layers.AveragePooling2D,
    layers.Cropping2D,
    layers.Flatten,  # what it gives is the channels again and again
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.LeakyReLU,
    layers.MaxPooling2D,
    layers.UpSampling2D,
    layers.ZeroPadding2D,
)


def equalize(model: keras.Model, still: Collection[str] = ()) -> keras.Model:
    """A copy of ``model`` (one of ``fold``'s) whose neighbouring layers have alike ranges; its answers are the same.

    Layers that stand ``still``, by name, keep their weights. So do channels that are 0 on either side.
    """
    copies = Copies()

    def call(name: str, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return args[0] if node.is_input else copies.of(node.operation)(*args, **kwargs)

    graph = rebuilt(model, call)
    copies.settle()
    found = [(one, two) for one, two in pairs(graph) if one.name not in still and two.name not in still]
    weights = {layer.name: [np.asarray(w, np.float64) for w in layer.get_weights()] for pair in found for layer in pair}
    for _ in range(ROUNDS):
        moved = [_share_out(one, two, weights[one.name], weights[two.name]) for one, two in found]
        if max(moved, default=0.0) < STILL:
            break
    for name, values in weights.items():
        graph.get_layer(name).set_weights(values)
    return graph


def pairs(model: keras.Model) -> Iterator[tuple[Any, Any]]:
    """Layers with kernels, each with the one that alone reads it through homogeneous parts."""
    read, used = consumers(model), calls(model)
    readers = {id(tensor): node for _, node in named_nodes(model) for tensor in node.input_tensors}
    for _, node in named_nodes(model):
        first = node.operation
        if not isinstance(first, WEIGHTED) or used[id(first)] != 1:
            continue
        last = node
        while read[id(last.output_tensors[0])] == 1 and id(last.output_tensors[0]) in readers:
            last = readers[id(last.output_tensors[0])]
            if not _homogeneous(last.operation):
                break
        second = last.operation
        if second is not first and isinstance(second, WEIGHTED) and used[id(second)] == 1 and _ungrouped(second):
            yield first, second


def _homogeneous(operation: Any) -> bool:
    """Whether f(s·x) = s·f(x) for one s > 0 a channel, and channels stay in order."""
    if isinstance(operation, layers.ReLU):
        return operation.max_value is None and not operation.threshold
    if isinstance(operation, layers.Activation):
        return operation.activation in (activations.relu, activations.linear)
    return isinstance(operation, HOMOGENEOUS)


def _ungrouped(layer: Any) -> bool:
    return getattr(layer, "groups", 1) == 1 or isinstance(layer, layers.DepthwiseConv2D)


def _share_out(one: Any, two: Any, first: list[Row], second: list[Row]) -> float:
    """Scale the channels between two layers, in their weights; by how much the most, as |log s|."""
    given, taken = _range_given(one, first[0]), _range_taken(two, second[0])
    width = len(given)
    taken = taken.reshape(-1, width).max(0)  # behind a flatten, each channel is read at every position
    alive = (given > 0) & (taken > 0)
    factor = np.where(alive, np.sqrt(given / np.where(alive, taken, 1.0)), 1.0)
    first[0] = first[0] / _as_given(one, factor, first[0])
    if one.use_bias:
        first[1] = first[1] / factor
    second[0] = second[0] * _as_taken(two, np.tile(factor, _width_taken(two, second[0]) // width))
    return float(np.abs(np.log(factor)).max(initial=0.0))


def _range_given(layer: Any, kernel: Row) -> Row:
    """max|w| of each output channel."""
    size: Row = np.abs(kernel)
    if isinstance(layer, layers.Conv2DTranspose):
        size = size.swapaxes(-2, -1)
    width = size.shape[-2] * size.shape[-1] if isinstance(layer, layers.DepthwiseConv2D) else size.shape[-1]
    found: Row = size.reshape(-1, width).max(0)
    return found


def _range_taken(layer: Any, kernel: Row) -> Row:
    """max|w| of each input channel."""
    inputs = kernel.ndim + _axis_taken(layer)
    found: Row = np.abs(kernel).max(tuple(axis for axis in range(kernel.ndim) if axis != inputs))
    return found


def _axis_taken(layer: Any) -> int:
    return -1 if isinstance(layer, layers.Conv2DTranspose) else -2


def _width_taken(layer: Any, kernel: Row) -> int:
    return int(kernel.shape[_axis_taken(layer)])


def _as_given(layer: Any, factor: Row, kernel: Row) -> Row:
    """One factor an output channel, in the shape of the kernel."""
    if isinstance(layer, layers.DepthwiseConv2D):
        return factor.reshape(kernel.shape[-2:])
    return factor[:, None] if isinstance(layer, layers.Conv2DTranspose) else factor


def _as_taken(layer: Any, factor: Row) -> Row:
    """One factor an input channel, in the shape of the kernel."""
    return factor if _axis_taken(layer) == -1 else factor[:, None]
