"""Where activations are rounded in an int8 graph, and which of these places share one range.

One place an integer tensor of the .tflite: the inputs, what each operator gives once the activation behind it is fused.
Operators that integers pass through unscaled (pooling, flatten, padding, concatenation, maximum) have no range of their
own: their inputs and their output share one. The converter fixes those of sigmoid, softmax and tanh. What a final one
gives needs no place at all. A tensor that is fixed and read by an operator that needs another range is rounded again on
that way alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from bramble.quantization.graph import consumers, named_nodes
from bramble.quantization.plain import WEIGHTED

layers, activations = keras.layers, keras.activations
Range = tuple[float, float]
FIXED: dict[Any, Range] = {  # scale and zero point that TFLite's operators insist on
    activations.sigmoid: (0.0, 255 / 256),
    activations.softmax: (0.0, 255 / 256),
    activations.tanh: (-1.0, 127 / 128),
}
PASSING = (  # integers go through as they are
    layers.AveragePooling2D,
    layers.Concatenate,
    layers.Cropping2D,
    layers.Flatten,
    layers.GlobalMaxPooling2D,
    layers.MaxPooling2D,
    layers.Maximum,
    layers.Minimum,
    layers.Permute,
    layers.RepeatVector,
    layers.Reshape,
    layers.UpSampling2D,
    layers.ZeroPadding2D,
)
ROUNDING = (layers.AveragePooling2D, layers.UpSampling2D)  # of these, the ones whose results lie between the steps
SUMS = (layers.Add, layers.Subtract, layers.Multiply)
OPERATIONS = ("Add", "Subtract", "Multiply")  # the same as keras.ops
FUSED = (activations.relu, activations.relu6)


@dataclass(frozen=True)
class Places:
    """Where a graph is rounded. All names are those of ``graph.named_nodes``.

    ``range_of`` gives the range's name for each call whose output is rounded, ``fixed`` the ranges that are known
    beforehand, ``again`` the range that a call's argument (call, number) is rounded to a second time. ``measured`` is
    ``range_of`` with the calls that share a range without being rounded: calibration looks at them too.
    """

    range_of: dict[str, str]
    fixed: dict[str, Range]
    again: dict[tuple[str, int], str]
    measured: dict[str, str]
    bare: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line a range: what shares it, and where it comes from."""
        lines = []
        for name in dict.fromkeys((*self.measured.values(), *self.again.values())):
            held = [call for call, group in self.measured.items() if group == name]
            known = self.fixed.get(name)
            origin = f"fixed {known[0]:g} … {known[1]:g}" if known else "calibrated"
            lines.append(f"{', '.join(held)}: {'one range, ' if len(held) > 1 else ''}{origin}")
        lines += [f"{call}, argument {number}: rounded again" for call, number in self.again]
        lines += [f"{call}: the converter's own" for call in self.bare]
        return "\n".join(lines)


@dataclass
class _Groups:
    """Union-find over the names of calls."""

    parent: dict[str, str] = field(default_factory=dict)

    def root(self, name: str) -> str:
        while self.parent.setdefault(name, name) != name:
            name = self.parent[name]
        return name

    def unite(self, one: str, other: str) -> None:
        self.parent[self.root(other)] = self.root(one)


def places(model: keras.Model, inputs: Mapping[str, Range] | None = None) -> Places:
    """The places of a graph (one of ``plain``'s; batch norms that fold into the layer before them may be there).

    ``inputs`` are the known ranges of model inputs by name: those of the preprocessing.
    """
    order = list(named_nodes(model))
    read, maker = consumers(model), {id(t): name for name, node in order for t in node.output_tensors}
    fixed = dict[str, Range]()
    inner = {name for name, node in order if _inner(node, order, read)}
    groups, again, bare, passing = _Groups(), dict[tuple[str, int], str](), [], set[str]()
    final = {maker[id(tensor)] for tensor in model.outputs}
    for name, node in order:
        known = (inputs or {}).get(name) if node.is_input else _fixed(node)
        if known is not None and name in final and not node.is_input and read[id(node.output_tensors[0])] == 1:
            bare.append(name)
        elif known is not None:
            fixed[name] = known
    for name, node in order:
        if not isinstance(node.operation, PASSING):
            continue
        sources = [maker[id(tensor)] for tensor in node.input_tensors]
        single = len(sources) == 1
        if not isinstance(node.operation, ROUNDING) and single:
            passing.add(name)
        for number, source in enumerate(sources):
            if single or groups.root(source) not in fixed:
                _unite(groups, fixed, source, name)
            else:
                again[name, number] = name
    measured = {name: groups.root(name) for name, _ in order if name not in inner and name not in bare}
    again = {way: groups.root(name) for way, name in again.items()}
    rounded = {name: group for name, group in measured.items() if name not in passing}
    held = {groups.root(name): known for name, known in fixed.items()}
    return Places(rounded, held, again, measured, tuple(bare))


def _unite(groups: _Groups, fixed: dict[str, Range], source: str, name: str) -> None:
    """Let two calls share a range; a fixed one stays the group's root."""
    one, other = groups.root(source), groups.root(name)
    if other in fixed and one not in fixed:
        one, other = other, one
    groups.unite(one, other)


def _inner(node: Any, order: list[tuple[str, Any]], read: Mapping[int, int]) -> bool:
    """Whether what a call gives is no tensor of its own: the only reader is fused with it."""
    tensor = node.output_tensors[0]
    if read[id(tensor)] != 1 or len(node.output_tensors) != 1:
        return False
    reader = next((other for _, other in order if any(t is tensor for t in other.input_tensors)), None)
    if reader is None:
        return False
    maker = node.operation
    if isinstance(reader.operation, layers.BatchNormalization):
        return isinstance(maker, WEIGHTED)
    computes = isinstance(maker, (*WEIGHTED, *SUMS, layers.BatchNormalization)) or _is_sum(maker)
    return computes and fusable(reader.operation)


def _is_sum(operation: Any) -> bool:
    return not isinstance(operation, keras.Layer) and type(operation).__name__ in OPERATIONS


def fusable(operation: Any) -> bool:
    """Whether the converter fuses this activation with the operator before it: ReLU and ReLU6."""
    if isinstance(operation, layers.ReLU):
        return operation.max_value in (None, 6) and not operation.negative_slope and not operation.threshold
    return isinstance(operation, layers.Activation) and operation.activation in FUSED


def _fixed(node: Any) -> Range | None:
    operation = node.operation
    if isinstance(operation, layers.Softmax):
        return FIXED[activations.softmax]
    return FIXED.get(getattr(operation, "activation", None)) if isinstance(operation, layers.Activation) else None
