"""Models that only pass their picture on, packed by hand: what they answer is the very pixels that they were given."""

from __future__ import annotations

from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from bramble_agent.wire import Pixels, TensorSpec
from making import make_bundle

KINDS = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "int16": 7, "int8": 9}


def passing(
    inputs: tuple[tuple[int, ...], ...] = ((1, 8, 6, 3),),
    outputs: tuple[tuple[int, ...], ...] = ((1, 144),),
    kind: str = "uint8",
    scale: tuple[float, int] | None = (1 / 255, 0),
    answer: str = "",
) -> bytes:
    """A model whose operators reshape each output from the first input; ``answer`` is a dtype that is not its own."""
    model = schema.ModelT()
    model.version, model.description = 3, "a test's"
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
    code.version = 1
    cast = schema.OperatorCodeT()
    cast.builtinCode = cast.deprecatedBuiltinCode = schema.BuiltinOperator.CAST
    cast.version = 1
    model.operatorCodes = [cast if answer else code]
    model.buffers = [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.name, graph.tensors, graph.operators = "main", [], []
    rows = [(f"in{i}", shape, kind, scale) for i, shape in enumerate(inputs)]
    rows += [(f"out{i}", shape, answer or kind, None if answer else scale) for i, shape in enumerate(outputs)]
    for name, shape, dtype, steps in rows:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), KINDS[dtype], 0
        if steps:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [steps[0]], [steps[1]]
        graph.tensors.append(tensor)
    graph.inputs = list(range(len(inputs)))
    graph.outputs = list(range(len(inputs), len(rows)))
    for place in graph.outputs:
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [place]
        if not answer:
            operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
            operator.builtinOptions = schema.ReshapeOptionsT()
            operator.builtinOptions.newShape = list(rows[place][1])
        graph.operators.append(operator)
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def make_passing_bundle(folder: Path, how: Pixels, labels: int = 0) -> Path:
    """A bundle of a model whose score of label "i" is the i-th value of the picture it gets, in 1/255."""
    depth = 1 if how.color == "gray" else 3
    count = how.height * how.width * depth
    shape, scale = (1, how.height, how.width, depth), (1 / 255, 0)
    return make_bundle(
        folder,
        model=passing((shape,), ((1, count),), "uint8", scale),
        labels="".join(f"{number}\n" for number in range(labels or count)).encode(),
        inputs=(TensorSpec("in0", shape, "uint8", *scale),),
        outputs=(TensorSpec("out0", (1, count), "uint8", *scale),),
        pixels=how,
        output_kind="probabilities",
    )
