"""Which channels of a functional Keras graph live and die together.

Every tensor carries one id a channel; a layer makes new ids (convolution, dense), passes them on (activation, pooling,
batch norm, depthwise) or joins them (residual additions unite ids one by one, concatenation lays them side by side,
flatten repeats them). What ends up united is one group: cutting a channel cuts it in every layer of its group. Inputs,
outputs and what an unknown layer touches are frozen. The idea is DepGraph's (Fang et al. 2023, 2301.12900).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.errors import IncompatibleError

Ids = NDArray[np.int64]
layers = keras.layers
SAME = (
    layers.Activation,
    layers.AveragePooling2D,
    layers.BatchNormalization,
    layers.Dropout,
    layers.ELU,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.LeakyReLU,
    layers.MaxPooling2D,
    layers.ReLU,
    layers.Rescaling,
    layers.SpatialDropout2D,
    layers.UpSampling2D,
    layers.ZeroPadding2D,
)
ACROSS = (keras.activations.softmax, keras.activations.log_softmax, keras.activations.sparsemax)
JOINING = (layers.Add, layers.Average, layers.Maximum, layers.Minimum, layers.Multiply, layers.Subtract)


@dataclass(frozen=True)
class Use:
    """A layer with the ids of its input and output channels (the same ones where it passes them on)."""

    layer: keras.Layer
    into: Ids
    out: Ids


@dataclass
class Channels:
    """The ids of a whole graph. ``uses`` are the layers with weights, in order; ``frozen`` says why an id must stay."""

    uses: list[Use] = field(default_factory=list)
    parent: list[int] = field(default_factory=list)
    frozen: dict[int, str] = field(default_factory=dict)
    joined: set[int] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)

    def new(self, count: int) -> Ids:
        """Fresh ids, each its own group."""
        first = len(self.parent)
        self.parent.extend(range(first, first + count))
        return np.arange(first, first + count)

    def root(self, one: int) -> int:
        """The id that stands for the group of ``one``."""
        while self.parent[one] != one:
            self.parent[one] = self.parent[self.parent[one]]
            one = self.parent[one]
        return one

    def roots(self, ids: Ids) -> Ids:
        """The groups of many ids."""
        return np.array([self.root(int(one)) for one in ids], dtype=np.int64)

    def unite(self, first: Ids, second: Ids) -> None:
        """Join two rows of ids, one by one."""
        for a, b in zip(first, second, strict=True):
            self.parent[self.root(int(b))] = self.root(int(a))  # looked up one by one: a row may hold an id twice

    def freeze(self, ids: Ids, why: str) -> None:
        """Keep these ids for good."""
        for one in ids:
            self.frozen.setdefault(int(one), why)

    def frozen_roots(self) -> dict[int, str]:
        """Groups that must stay, and why."""
        return {self.root(one): why for one, why in self.frozen.items()}

    def joined_roots(self) -> set[int]:
        """Groups that a residual addition or the like joins: their width is the representation's."""
        return {self.root(one) for one in self.joined}


def nodes(model: keras.Model) -> list[Any]:
    """The calls that ``model`` is made of (Keras' nodes), each after those it reads from.

    Raises IncompatibleError for a model whose graph cannot be seen.
    """
    graph = getattr(model, "_functional", None) or model  # a Sequential holds its graph
    if not isinstance(model, keras.Model) or not getattr(graph, "_nodes_by_depth", None):
        raise IncompatibleError(f"{model.name} is not a functional model", "build it with keras.Input and layer calls")
    return [node for depth in sorted(graph._nodes_by_depth, reverse=True) for node in graph._nodes_by_depth[depth]]


def trace(model: keras.Model) -> Channels:
    """Follow the channels through ``model``.

    Raises IncompatibleError for a model that is not a plain graph (nested or subclassed).
    """
    found, ids = Channels(), dict[int, Ids]()
    order = nodes(model)
    used = [node.operation.name for node in order]
    for node in order:
        operation, inputs = node.operation, [ids[id(tensor)] for tensor in node.input_tensors]
        if isinstance(operation, keras.Model):
            said = f"{model.name} holds the model {operation.name}, which is subclassed or used more than once"
            raise IncompatibleError(said, "use functional or Sequential models, each once: those are flattened")
        outputs = _pass(found, operation, inputs, node)
        if used.count(operation.name) > 1:
            for row in (*inputs, *outputs):
                found.freeze(row, f"{operation.name} is used more than once")
        if getattr(operation, "activation", None) in ACROSS:
            for row in outputs:
                found.freeze(row, f"{operation.name} weighs channels against each other")
        ids.update({id(tensor): row for tensor, row in zip(node.output_tensors, outputs, strict=True)})
    for tensor in model.outputs:
        found.freeze(ids[id(tensor)], "the model's output")
    return found


def explain(found: Channels, more: dict[int, str] | None = None) -> list[str]:
    """One line a group of layers that are cut together, and why the frozen ones (and ``more`` groups) are not."""
    frozen, lines = (more or {}) | found.frozen_roots(), dict[str, int]()
    makers: dict[int, list[str]] = {}
    for use in found.uses:
        for row in {int(one) for one in found.roots(use.out)} | {int(one) for one in found.roots(use.into)}:
            makers.setdefault(row, []).append(use.layer.name)
    for root, names in makers.items():
        why = f"stays: {frozen[root]}" if root in frozen else "cut together"
        line = f"{', '.join(names)}: {why}"
        lines[line] = lines.get(line, 0) + 1
    return [f"{count} channel{'s' if count > 1 else ''} of {line}" for line, count in lines.items()]


def _pass(found: Channels, operation: Any, inputs: list[Ids], node: Any) -> list[Ids]:
    """The ids of a node's outputs."""
    if isinstance(operation, layers.InputLayer):
        rows = [found.new(tensor.shape[-1]) for tensor in node.output_tensors]
        for row in rows:
            found.freeze(row, "the model's input")
        return rows
    for kinds, rule in _RULES:
        if isinstance(operation, kinds) and _keeps_width(operation, node):
            return [rule(found, operation, inputs, node)]
    return _unknown(found, operation, inputs, node)


def _keeps_width(layer: Any, node: Any) -> bool:
    """Whether a layer's activation, if it has one, gives as many channels as it gets: glu does not.

    Asked of the function itself: Keras takes it for granted and states the shape of its input.
    """
    activation, shape = getattr(layer, "activation", None), node.output_tensors[0].shape
    if activation is None:
        return True
    probe = keras.ops.zeros((*[1] * (len(shape) - 1), shape[-1]))
    return bool(activation(probe).shape[-1] == shape[-1])


def _fresh(found: Channels, layer: Any, inputs: list[Ids], node: Any) -> Ids:
    """Convolution and dense: new channels."""
    out = found.new(node.output_tensors[0].shape[-1])
    found.uses.append(Use(layer, inputs[0], out))
    if getattr(layer, "groups", 1) != 1:
        found.freeze(inputs[0], f"{layer.name} is a grouped convolution")
        found.freeze(out, f"{layer.name} is a grouped convolution")
    return out


def _depthwise(found: Channels, layer: Any, inputs: list[Ids], node: Any) -> Ids:
    out = np.repeat(inputs[0], layer.depth_multiplier)
    found.uses.append(Use(layer, inputs[0], out))
    return out


def _same(found: Channels, layer: Any, inputs: list[Ids], node: Any) -> Ids:
    if layer.weights:
        found.uses.append(Use(layer, inputs[0], inputs[0]))
    return inputs[0]


def _flat(found: Channels, layer: Any, inputs: list[Ids], node: Any) -> Ids:
    """Flatten: position by position, all channels each time (channels last)."""
    return np.tile(inputs[0], node.output_tensors[0].shape[-1] // len(inputs[0]))


def _join(found: Channels, layer: Any, inputs: list[Ids], node: Any) -> Ids:
    first, *others = inputs
    for other in others:
        if len(other) != len(first):
            for row in inputs:
                found.freeze(row, f"{layer.name} joins different widths")
            return max(inputs, key=len)
        found.unite(first, other)
    if not isinstance(layer, layers.Multiply):  # a gate scales channels, it adds none to a representation
        found.joined.update(int(one) for one in first)
    return first


def _side_by_side(found: Channels, layer: Any, inputs: list[Ids], node: Any) -> Ids:
    axis = layer.axis % len(node.output_tensors[0].shape)
    if axis == len(node.output_tensors[0].shape) - 1:
        return np.concatenate(inputs)
    return _join(found, layer, inputs, node)


def _unknown(found: Channels, layer: Any, inputs: list[Ids], node: Any) -> list[Ids]:
    """A layer that is not known, or whose activation changes the width: nothing it touches may change."""
    found.unknown.append(layer.name)
    outputs = [found.new(tensor.shape[-1] or 1) for tensor in node.output_tensors]
    for row in (*inputs, *outputs):
        found.freeze(row, f"{layer.name} ({type(layer).__name__}) is not known")
    return outputs


Rule = Callable[[Channels, Any, list[Ids], Any], Ids]
_RULES: Sequence[tuple[Any, Rule]] = (
    (layers.DepthwiseConv2D, _depthwise),
    ((layers.Conv2D, layers.Dense), _fresh),
    (SAME, _same),
    (layers.Flatten, _flat),
    (layers.Concatenate, _side_by_side),
    (JOINING, _join),
)
