"""Which operator of a float .tflite an int8 one was made of: the two graphs side by side.

Walked in order: an operator's twin has the same name and as many values and reads the twins of what it reads. Among
several of these, and behind operators without a twin (the exporter lays some out in parts), kernels decide: the twin's
is the one that points the same way, w·ŵ / ‖w‖‖ŵ‖. What changes no value, or its grid alone, hands the twin of its
input on (QUANTIZE, DEQUANTIZE, RESHAPE, …) and is no pair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bramble.errors import UsageError
from bramble.tflite import DEPTHWISE_AXIS, WEIGHTED, Graph, Node, Tensor

BRIDGES = frozenset({"QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
RELUS = frozenset({"RELU", "RELU6"})
ALIKE = 0.5  # the least cosine of two kernels that can be one, trained on in between
ADVICE = "give the float model that this one was made of, with --float"


@dataclass(frozen=True)
class Pair:
    """An operator and its twin: numbers of nodes, and of the tensors that they give. -1 as nodes: the model's input."""

    kind: str
    node: int
    twin: int
    tensor: int
    twin_tensor: int


@dataclass
class _Walk:
    """What is known so far: float tensors by int8 tensor, float nodes that have a twin, pairs.

    ``plain`` leads from what a float bridge gives to what it reads.
    """

    integer: Graph
    floating: Graph
    twins: dict[int, int] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    pairs: list[Pair] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plain: dict[int, int] = {}
        for node in self.floating.nodes:
            if node.name in BRIDGES:
                self.plain[node.outputs[0]] = self.plain.get(node.inputs[0], node.inputs[0])

    def read(self, node: Node) -> list[int]:
        """What a float node reads, behind bridges."""
        return sorted(self.plain.get(n, n) for n in _given(self.floating, node))


def align(integer: Graph, floating: Graph) -> tuple[Pair, ...]:
    """The pairs of two graphs, in the order of ``integer``, its input first.

    Operators without a twin are left out. Raises UsageError for another architecture or other weights.
    """
    walk = _Walk(integer, floating)
    shapes = [[graph.tensors[n].shape for n in graph.inputs] for graph in (integer, floating)]
    if shapes[0] != shapes[1]:
        raise UsageError(f"the float model takes {shapes[1]}, this one {shapes[0]}", ADVICE)
    for mine, theirs in zip(integer.inputs, floating.inputs, strict=True):
        walk.twins[mine] = theirs
        walk.pairs.append(Pair("input", -1, -1, mine, theirs))
    for number, node in enumerate(integer.nodes):
        given = _given(integer, node)
        if node.name in BRIDGES:
            if given[0] in walk.twins:
                walk.twins[node.outputs[0]] = walk.twins[given[0]]
            continue
        twin = _twin(walk, node, given)
        if twin is not None:
            _pair(walk, number, twin)
        elif node.name in WEIGHTED and not _standing(integer, node):
            shape = list(integer.tensors[node.inputs[1]].shape)
            raise UsageError(f"the float model is of another architecture: no {node.name} of {shape} fits", ADVICE)
    _demand_all_used(walk)
    return tuple(walk.pairs)


def real_values(tensor: Tensor) -> NDArray[np.float64]:
    """A constant tensor in real values. Its zero point is 0, as that of all kernels and biases."""
    value = np.asarray(tensor.value, np.float64)
    if not tensor.scales or "FLOAT" in tensor.dtype:
        return value
    shape = [1] * value.ndim
    if len(tensor.scales) > 1:
        shape[tensor.axis] = -1
    scales: NDArray[np.float64] = np.array(tensor.scales, np.float64).reshape(shape)
    return np.multiply(value, scales, dtype=np.float64)


def _given(graph: Graph, node: Node) -> list[int]:
    """The tensors that a node reads and that the graph computes."""
    return [n for n in node.inputs if n >= 0 and graph.tensors[n].value is None]


def _twin(walk: _Walk, node: Node, given: list[int]) -> int | None:
    wanted = sorted(walk.twins.get(n, -1) for n in given)
    size = math.prod(walk.integer.tensors[node.outputs[0]].shape)
    found = [
        number
        for number, other in enumerate(walk.floating.nodes)
        if number not in walk.used and other.name == node.name and _size(walk, other) == size
    ]
    fed_alike = [n for n in found if walk.read(walk.floating.nodes[n]) == wanted]
    if node.name not in WEIGHTED:
        return fed_alike[0] if fed_alike else None
    kernel = walk.integer.tensors[node.inputs[1]]
    if kernel.value is None:
        return fed_alike[0] if fed_alike else None
    found = [n for n in found if walk.floating.tensors[walk.floating.nodes[n].inputs[1]].shape == kernel.shape]
    alike = {n: _cosine(kernel, walk.floating.tensors[walk.floating.nodes[n].inputs[1]]) for n in found}
    fed_alike = [n for n in fed_alike if n in alike]
    best = max(fed_alike or found, key=lambda n: alike[n], default=None)
    if best is None or alike[best] >= ALIKE:
        return best
    what = f"{node.name} of {list(kernel.shape)}"
    raise UsageError(f"the float model has other weights: those of {what} are not what was quantized", ADVICE)


def _size(walk: _Walk, node: Node) -> int:
    return math.prod(walk.floating.tensors[node.outputs[0]].shape)


def _cosine(kernel: Tensor, other: Tensor) -> float:
    """How far two kernels point the same way; 1 for two of zeros."""
    one, two = real_values(kernel).ravel(), real_values(other).ravel()
    product = math.sqrt(float(one @ one) * float(two @ two))
    return float(one @ two) / product if product else float(not one.any() and not two.any())


def _pair(walk: _Walk, number: int, twin: int) -> None:
    node, other = walk.integer.nodes[number], walk.floating.nodes[twin]
    walk.used.add(twin)
    walk.twins.update(zip(node.outputs, other.outputs, strict=True))
    mine, theirs = node.outputs[0], _behind_relu(walk, node, other)
    walk.twins[mine] = theirs
    walk.pairs.append(Pair(node.name, number, twin, mine, theirs))


def _behind_relu(walk: _Walk, node: Node, other: Node) -> int:
    """The tensor that a float node gives, or its ReLU where only the int8 node has that fused."""
    mine, theirs = node.outputs[0], other.outputs[0]
    if any(reader.name in RELUS and mine in reader.inputs for reader in walk.integer.nodes):
        return theirs
    readers = [(n, reader) for n, reader in enumerate(walk.floating.nodes) if theirs in reader.inputs]
    if len(readers) == 1 and readers[0][1].name in RELUS and theirs not in walk.floating.outputs:
        walk.used.add(readers[0][0])
        return readers[0][1].outputs[0]
    return theirs


def _standing(graph: Graph, node: Node) -> bool:
    """Whether it may be a scale and shift that the exporter made a 1 x 1 depthwise convolution of."""
    shape: Any = graph.tensors[node.inputs[1]].shape
    return node.name == "DEPTHWISE_CONV_2D" and shape[1] == shape[2] == 1 and len(shape) == DEPTHWISE_AXIS + 1


def _demand_all_used(walk: _Walk) -> None:
    for number, node in enumerate(walk.floating.nodes):
        if node.name in WEIGHTED and number not in walk.used:
            shape = list(walk.floating.tensors[node.inputs[1]].shape)
            raise UsageError(f"the float model is of another architecture: its {node.name} of {shape} is extra", ADVICE)
