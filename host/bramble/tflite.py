"""Look inside a .tflite: tensors, operators and their versions, parameters, multiply-accumulates.

Reads the flatbuffer through the schema that the runtime ships; needs no TensorFlow and runs nothing.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bramble.errors import IncompatibleError
from bramble_agent.wire import Operator

WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})
WEIGHTED_CODES = frozenset({3, 4, 9, 67})  # the numbers of these in TFLite's schema
DEPTHWISE_AXIS = 3  # where a depthwise kernel has its channels; all others have them first
DTYPES = {
    "FLOAT32": np.float32,
    "FLOAT16": np.float16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}


@dataclass(frozen=True)
class Tensor:
    """A tensor; ``value`` is its constant content, None where the graph computes it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    axis: int
    value: NDArray[Any] | None
    zero_point: int = 0  # of the first channel; kernels have 0 in all


@dataclass(frozen=True)
class Node:
    """One operator with the numbers of its tensors (-1: left out)."""

    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """The main subgraph of a model."""

    tensors: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    minimum_runtime: str

    def operators(self) -> tuple[Operator, ...]:
        """Each operator used, with its highest version and its count, by name."""
        names = sorted({node.name for node in self.nodes})
        groups = {name: [node.version for node in self.nodes if node.name == name] for name in names}
        return tuple(Operator(name, max(versions), len(versions)) for name, versions in groups.items())

    def weights(self) -> tuple[Tensor, ...]:
        """The constant kernels of convolutions and dense layers (no biases), in graph order, each once."""
        found = {node.inputs[1]: None for node in self.nodes if node.name in WEIGHTED}
        return tuple(self.tensors[i] for i in found if self.tensors[i].value is not None)

    def macs(self) -> int:
        """Multiply-accumulates of one inference in convolutions and dense layers."""
        return sum(self._node_macs(node) for node in self.nodes if node.name in WEIGHTED)

    def _node_macs(self, node: Node) -> int:
        kernel = self.tensors[node.inputs[1]].shape
        outputs = math.prod(self.tensors[node.outputs[0]].shape)
        if node.name == "DEPTHWISE_CONV_2D":
            return outputs * kernel[1] * kernel[2]
        if node.name == "TRANSPOSE_CONV":
            return math.prod(self.tensors[node.inputs[2]].shape) * kernel[0] * kernel[1] * kernel[2]
        return outputs * math.prod(kernel[1:])


def read_graph(model: bytes) -> Graph:
    """Parse a .tflite. Raises IncompatibleError where it is not one."""
    from ai_edge_litert import schema_py_generated as schema

    if len(model) < 8 or model[4:8] != b"TFL3":
        raise IncompatibleError("not a TFLite model (its identifier TFL3 is missing)", "give a .tflite file")
    try:
        held = schema.ModelT.InitFromPackedBuf(model, 0)
        return _whole(_graph(held, schema))
    except (IndexError, ValueError, TypeError, AttributeError, KeyError, OverflowError, struct.error) as error:
        raise IncompatibleError(f"the TFLite model is damaged: {error}", "convert or copy it again") from error


def deflated_bytes(model: bytes) -> int:
    """The size of a model in a bundle's .zip, which is deflated the same way wherever the bundle comes from."""
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return len(squeeze.compress(model)) + len(squeeze.flush())


def _whole(graph: Graph) -> Graph:
    """The graph, where all its numbers point to something: damage shows here rather than in who reads it."""
    used = [*graph.inputs, *graph.outputs, *(n for node in graph.nodes for n in (*node.inputs, *node.outputs))]
    if used and not -1 <= min(used) <= max(used) < len(graph.tensors):
        raise IndexError(f"{len(graph.tensors)} tensors, but numbers from {min(used)} to {max(used)}")
    graph.macs()
    return graph


def _graph(held: Any, schema: Any) -> Graph:
    main = held.subgraphs[0]
    types = _names(schema.TensorType)
    codes = _names(schema.BuiltinOperator)
    tensors = tuple(_tensor(tensor, held.buffers, types) for tensor in main.tensors)
    nodes = []
    for op in main.operators or ():
        code = held.operatorCodes[op.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        name = codes[number] if number != schema.BuiltinOperator.CUSTOM else f"CUSTOM:{_text(code.customCode)}"
        nodes.append(Node(name, code.version, _numbers(op.inputs), _numbers(op.outputs)))
    return Graph(tensors, tuple(nodes), _numbers(main.inputs), _numbers(main.outputs), _minimum_runtime(held))


def _tensor(tensor: Any, buffers: Any, types: dict[int, str]) -> Tensor:
    shape = _numbers(tensor.shape)
    kind = types[tensor.type]
    quantization = tensor.quantization
    scales = () if quantization is None or quantization.scale is None else tuple(float(s) for s in quantization.scale)
    axis = quantization.quantizedDimension if quantization is not None else 0
    zeros = () if quantization is None else _numbers(quantization.zeroPoint)
    raw = buffers[tensor.buffer].data
    value = None
    if raw is not None and len(raw) and kind in DTYPES:
        flat: NDArray[Any] = np.frombuffer(bytes(raw), DTYPES[kind])
        value = flat.reshape(shape) if flat.size == math.prod(shape) else flat
    return Tensor(_text(tensor.name), shape, kind, scales, axis, value, zeros[0] if zeros else 0)


def _minimum_runtime(held: Any) -> str:
    for entry in held.metadata or ():
        if _text(entry.name) == "min_runtime_version":
            return bytes(held.buffers[entry.buffer].data).rstrip(b"\0").decode()
    return ""


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _numbers(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(v) for v in values)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
