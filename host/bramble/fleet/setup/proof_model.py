"""The model that proves a runtime on a board: one FULLY_CONNECTED operator in float32, packed without TensorFlow.

Its weights and inputs are small whole numbers and halves, so the answer is exact on every machine.
"""

from __future__ import annotations

import base64
import struct
from typing import Any

import flatbuffers

from bramble_agent.wire_install import Proof

WEIGHTS = ((1.0, 2.0, 3.0, 4.0), (-1.0, 0.0, 1.0, 2.0))
BIAS = (0.5, -0.5)
INPUT = (1.0, 2.0, 3.0, 4.0)
OUTPUT = (30.5, 9.5)  # WEIGHTS · INPUT + BIAS


def proof() -> Proof:
    """The model, an input, and the answer that a runtime must give."""
    return Proof(base64.b64encode(proof_model()).decode(), INPUT, OUTPUT)


def proof_model() -> bytes:
    """The .tflite: input [1, 4], output [1, 2]."""
    from ai_edge_litert import schema_py_generated as schema

    model, code, graph, operator = schema.ModelT(), schema.OperatorCodeT(), schema.SubGraphT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 1
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1, 2], [3]
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    graph.name, graph.inputs, graph.outputs, graph.operators = "main", [0], [3], [operator]
    shapes = {"input": (1, 4), "weights": (2, 4), "bias": (2,), "output": (1, 2)}
    graph.tensors = [_tensor(schema, name, shape) for name, shape in shapes.items()]
    graph.tensors[1].buffer, graph.tensors[2].buffer = 1, 2
    model.version, model.description = 3, "proves a runtime"
    model.operatorCodes, model.subgraphs = [code], [graph]
    model.buffers = [schema.BufferT(), _buffer(schema, *WEIGHTS[0], *WEIGHTS[1]), _buffer(schema, *BIAS)]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _tensor(schema: Any, name: str, shape: tuple[int, ...]) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), schema.TensorType.FLOAT32, 0
    return tensor


def _buffer(schema: Any, *values: float) -> Any:
    buffer = schema.BufferT()
    buffer.data = list(struct.pack(f"<{len(values)}f", *values))
    return buffer
