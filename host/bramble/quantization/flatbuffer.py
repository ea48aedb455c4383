"""Rewrite a .tflite: open it as objects, change them, pack them again, small.

Small means: names of tensors that only the converter's authors read become short, equal vectors and strings are stored
once (``bramble.packing.record``), notes of the conversion go. The scale of a bias is the product of its input's and
its kernel's to the last bit, so that packed models need not hold it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.packing.record import opened, record
from bramble.tflite import WEIGHTED_CODES

OFF = 1e-6  # by how much the converter's rounding moves a scale, relatively
INT32 = 2
FLOATS = (0, 1)  # FLOAT32 and FLOAT16 in TFLite's schema
TRANSPOSED = 67  # TRANSPOSE_CONV, whose inputs lie in another order
KEPT = b"min_runtime_version"


def unpacked(model: bytes) -> Any:
    """The ModelT of a .tflite."""
    return opened(model)


def packed(held: Any) -> bytes:
    """The .tflite of a ModelT: what is read out of it again is written as the same bytes."""
    return record(opened(record(held).model)).model


def add_buffer(held: Any, values: NDArray[Any]) -> int:
    """The number of a new buffer with these values: one that is there may belong to several tensors."""
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    held.buffers.append(buffer)
    return len(held.buffers) - 1


def compact(model: bytes, source: keras.Model, coarse: bool = False) -> bytes:
    """The .tflite with short names and nothing twice, inputs and outputs in the order of ``source``, its Keras model.

    ``coarse`` rounds biases, each by a sixteenth of a step of its output at most, so that they pack well.
    Inputs are named as in Keras; the signature, which says the same once more, goes.
    """
    held = unpacked(model)
    graph = held.subgraphs[0]
    _requantize_at_once(held, graph)
    multiply_out(held, graph)
    if coarse:
        _round_biases(held, graph)
    signature = held.signatureDefs[0]
    into = {_text(entry.name): entry.tensorIndex for entry in signature.inputs}
    out = {_text(entry.name): entry.tensorIndex for entry in signature.outputs}
    graph.inputs = [into[tensor.name] for tensor in source.inputs]
    graph.outputs = [out[name] for name in sorted(out, key=lambda name: int(name.rpartition("_")[2]))]
    for number, tensor in enumerate(graph.tensors):
        if tensor.type not in FLOATS:  # what should not be there keeps its name, for the audit
            tensor.name = str(number)
    for number, tensor in zip(graph.inputs, source.inputs, strict=True):
        graph.tensors[number].name = tensor.name
    held.signatureDefs = []
    held.metadata = [entry for entry in held.metadata or () if _bytes(entry.name) == KEPT]
    used = {0, *(tensor.buffer for tensor in graph.tensors), *(entry.buffer for entry in held.metadata)}
    order = {old: new for new, old in enumerate(sorted(used))}
    for holder in (*graph.tensors, *held.metadata):
        holder.buffer = order[holder.buffer]
    held.buffers = [held.buffers[number] for number in sorted(used)]
    return packed(held)


def _requantize_at_once(held: Any, graph: Any) -> None:
    """Let QUANTIZE read integers where DEQUANTIZE stood between: from one range to another without a float."""
    from ai_edge_litert import schema_py_generated as schema

    def named(code: int) -> list[Any]:
        return [op for op in graph.operators if held.operatorCodes[op.opcodeIndex].builtinCode == code]

    back = {op.outputs[0]: op for op in named(schema.BuiltinOperator.DEQUANTIZE)}
    for op in named(schema.BuiltinOperator.QUANTIZE):
        if op.inputs[0] in back:
            op.inputs = [back[op.inputs[0]].inputs[0]]
    read = {number for op in graph.operators for number in op.inputs} | set(graph.outputs)
    idle = {id(op) for number, op in back.items() if number not in read}
    graph.operators = [op for op in graph.operators if id(op) not in idle]
    _drop_unused(held, graph)


def multiply_out(held: Any, graph: Any) -> None:
    """Make float32(input scale · kernel scale) of the scales of biases: the converter rounds on its way there.

    No kernel computes with them: all multiply the two themselves.
    """
    for op in _biased(held, graph):
        given, kernel, bias = (graph.tensors[number].quantization for number in op.inputs[:3])
        exact = np.asarray(given.scale, np.float32)[:1] * np.asarray(kernel.scale, np.float32)
        if len(bias.scale) == len(exact) and np.allclose(bias.scale, exact, rtol=OFF, atol=0.0):
            bias.scale = exact


def _round_biases(held: Any, graph: Any) -> None:
    """Round biases to multiples of a power of two that is at most an eighth of a step of the output."""
    done = set[int]()
    for op in _biased(held, graph):
        bias = graph.tensors[op.inputs[2]]
        if op.inputs[2] in done or bias.type != INT32:
            continue
        done.add(op.inputs[2])
        step = float(graph.tensors[op.outputs[0]].quantization.scale[0])
        units = np.exp2(np.floor(np.log2(np.maximum(step / 8 / np.asarray(bias.quantization.scale, np.float64), 1.0))))
        whole = np.frombuffer(bytes(held.buffers[bias.buffer].data), "<i4")
        rounded = np.clip(np.round(whole / units) * units, -(2.0**31), 2.0**31 - 1)
        bias.buffer = add_buffer(held, rounded.astype("<i4"))


def _biased(held: Any, graph: Any) -> Iterator[Any]:
    """The operators of integers with a kernel and a bias."""
    for op in graph.operators:
        code = held.operatorCodes[op.opcodeIndex].builtinCode
        if code not in WEIGHTED_CODES or code == TRANSPOSED or len(op.inputs) < 3 or op.inputs[2] < 0:
            continue
        scales = [graph.tensors[number].quantization for number in (*op.inputs[:3], op.outputs[0])]
        if all(one is not None and one.scale is not None for one in scales):
            yield op


def _drop_unused(held: Any, graph: Any) -> None:
    """Without tensors and operator codes that nothing uses."""
    used = {number for op in graph.operators for number in (*op.inputs, *op.outputs) if number >= 0}
    used |= {*graph.inputs, *graph.outputs}
    order = {old: new for new, old in enumerate(sorted(used))}
    for op in graph.operators:
        op.inputs = [order.get(number, -1) for number in op.inputs]
        op.outputs = [order[number] for number in op.outputs]
    graph.inputs = [order[number] for number in graph.inputs]
    graph.outputs = [order[number] for number in graph.outputs]
    for entry in (one for signature in held.signatureDefs for one in (*signature.inputs, *signature.outputs)):
        entry.tensorIndex = order[entry.tensorIndex]
    graph.tensors = [graph.tensors[number] for number in sorted(used)]
    codes = sorted({op.opcodeIndex for op in graph.operators})
    for op in graph.operators:
        op.opcodeIndex = codes.index(op.opcodeIndex)
    held.operatorCodes = [held.operatorCodes[number] for number in codes]


def _text(value: Any) -> str:
    return _bytes(value).decode()


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
