"""Layers that stay in float inside an int8 model: written into the finished .tflite, since the converter knows no such.

    … int8 → DEQUANTIZE → layer in float32 → QUANTIZE → int8 …

A kept layer has its float weights again. What it reads and gives is rounded where a neighbour is an integer; between
kept layers alone nothing is. (By-layer int16 cannot be had this way: the converter merges the change of type into the
operator before it, and no runtime has a convolution from int8 to int16.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.graph.channels import nodes
from bramble.quantization.flatbuffer import add_buffer, packed, unpacked
from bramble.quantization.graph import Copies, rebuilt
from bramble.quantization.places import fusable
from bramble.quantization.plain import WEIGHTED
from bramble.quantization.retie import Kernel, holders
from bramble.quantization.simulate import FakeQuant

Weights = tuple[Kernel, NDArray[np.float32], NDArray[np.float32]]  # as converted, then float kernel and bias as stored


def unrounded(model: bytes, kept: Mapping[str, Weights]) -> bytes:
    """The .tflite with these layers in float. Raises IncompatibleError where a layer's kernel is not found."""
    held = unpacked(model)
    graph = held.subgraphs[0]
    mine: dict[int, Any] = {}
    for name, (kernel, floats, bias) in kept.items():
        for op in holders(held, graph, kernel, name):
            mine[id(op)] = op
            _make_float(held, graph, op.inputs[1], floats)
            if len(op.inputs) > 2 and op.inputs[2] >= 0:
                _make_float(held, graph, op.inputs[2], bias)
    readers = _readers(graph)
    inside = {op.outputs[0]: op for op in mine.values() if _only(readers.get(op.outputs[0], []), mine)}
    order = []
    float_of: dict[int, int] = {}
    for op in graph.operators:
        if id(op) not in mine:
            order.append(op)
            continue
        given, got = op.inputs[0], op.outputs[0]
        if given not in float_of:
            float_of[given] = _like(graph, given)
            order.append(bridge(held, "DEQUANTIZE", given, float_of[given]))
        float_of[got] = _like(graph, got)
        op.inputs = [float_of[given], *list(op.inputs)[1:]]
        op.outputs = [float_of[got]]
        order.append(op)
        if got not in inside:
            order.append(bridge(held, "QUANTIZE", float_of[got], got))
            del float_of[got]
    graph.operators = order
    return packed(held)


def without_inner(simulation: keras.Model, kept: Mapping[str, Any]) -> keras.Model:
    """A copy of the simulation that rounds nothing between kept layers alone."""
    readers: dict[int, list[Any]] = {}
    makers: dict[int, Any] = {}
    for node in nodes(simulation):
        for tensor in node.input_tensors:
            readers.setdefault(id(tensor), []).append(node)
        makers.update({id(tensor): node for tensor in node.output_tensors})

    def is_kept(node: Any) -> bool:
        return isinstance(node.operation, WEIGHTED) and node.operation.name in kept

    def inner(node: Any) -> bool:
        maker = makers[id(node.input_tensors[0])]
        if fusable(maker.operation) and len(readers[id(maker.input_tensors[0])]) == 1:
            maker = makers[id(maker.input_tensors[0])]
        behind = readers.get(id(node.output_tensors[0]), [])
        return is_kept(maker) and bool(behind) and all(is_kept(one) for one in behind)

    copies = Copies()

    def call(name: str, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if node.is_input or (isinstance(node.operation, FakeQuant) and inner(node)):
            return args[0]
        return copies.of(node.operation)(*args, **kwargs)

    made = rebuilt(simulation, call)
    copies.settle()
    return made


def _readers(graph: Any) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for op in graph.operators:
        for number in op.inputs:
            found.setdefault(number, []).append(op)
    for number in graph.outputs:
        found.setdefault(number, []).append(None)
    return found


def _only(readers: list[Any], mine: Mapping[int, Any]) -> bool:
    return bool(readers) and all(id(op) in mine for op in readers)


def _make_float(held: Any, graph: Any, number: int, values: NDArray[np.float32]) -> None:
    """Turn a constant tensor into a float one, with a buffer of its own."""
    from ai_edge_litert import schema_py_generated as schema

    tensor = graph.tensors[number]
    tensor.buffer, tensor.type = add_buffer(held, values.astype(np.float32)), schema.TensorType.FLOAT32
    tensor.quantization = None


def _like(graph: Any, number: int) -> int:
    """A new float tensor of the shape of another."""
    from ai_edge_litert import schema_py_generated as schema

    new = schema.TensorT()
    new.shape, new.name, new.buffer = graph.tensors[number].shape, f"float_{number}", 0
    new.type, new.shapeSignature = schema.TensorType.FLOAT32, graph.tensors[number].shapeSignature
    graph.tensors.append(new)
    return len(graph.tensors) - 1


def bridge(held: Any, kind: str, source: int, target: int) -> Any:
    """A QUANTIZE or DEQUANTIZE operator."""
    from ai_edge_litert import schema_py_generated as schema

    number = getattr(schema.BuiltinOperator, kind)
    codes = [code.builtinCode for code in held.operatorCodes]
    if number not in codes:
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, number, 2 if kind == "DEQUANTIZE" else 1
        held.operatorCodes.append(code)
        codes.append(number)
    op = schema.OperatorT()
    op.opcodeIndex, op.inputs, op.outputs = codes.index(number), [source], [target]
    return op
