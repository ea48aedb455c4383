"""A tiny SSD detector, packed by hand: the real TFLite_Detection_PostProcess behind operators that pass pixels on.

The picture (float32 [1, 4, 4, 1], 0..1) has a row of four pixels per anchor. Anchor i lies at a fixed place; the score
of class k (0 "cat", 1 "dog") for it is pixel [i, k + 1], pixel [i, 0] that of the background. Boxes are the anchors'
own, so the expected answers need no arithmetic.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers
from numpy.typing import NDArray

from bramble_agent.wire import Pixels, TensorSpec
from making import make_bundle

ANCHORS = ((0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75))  # centres, y and x; each 0.2 high and 0.4 wide
HIGH, WIDE, MOST = 0.2, 0.4, 3
INPUT = TensorSpec("picture", (1, 4, 4, 1), "float32")
NAMES = tuple("TFLite_Detection_PostProcess" + end for end in ("", ":1", ":2", ":3"))
PIXELS = Pixels(4, 4, "gray")


def box(anchor: int) -> tuple[float, float, float, float]:
    """Top, left, bottom, right."""
    y, x = ANCHORS[anchor]
    return (y - HIGH / 2, x - WIDE / 2, y + HIGH / 2, x + WIDE / 2)


def outputs(names: tuple[str, ...] = NAMES, order: tuple[int, ...] = (0, 1, 2, 3)) -> tuple[TensorSpec, ...]:
    """The model's outputs."""
    shapes = ((1, MOST, 4), (1, MOST), (1, MOST), (1,))
    return tuple(TensorSpec(names[i], shapes[i], "float32") for i in order)


def make_detector(names: tuple[str, ...] = NAMES, order: tuple[int, ...] = (0, 1, 2, 3)) -> bytes:
    """A .tflite whose outputs are called ``names`` and listed in ``order``."""
    model = schema.ModelT()
    model.version, model.description = 3, "a test's detector"
    arrays: list[NDArray[Any]] = [
        np.array([1, 4, 4], np.int32),
        np.array([0, 0, 0], np.int32),
        np.array([1, 4, 3], np.int32),
        np.zeros((1, 4, 4), np.float32),
        np.array([[y, x, HIGH, WIDE] for y, x in ANCHORS], np.float32),
    ]
    model.buffers = [schema.BufferT()]
    for array in arrays:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(array.tobytes(), np.uint8)
        model.buffers.append(buffer)
    whole, real = schema.TensorType.INT32, schema.TensorType.FLOAT32
    rows = [
        ("picture", (1, 4, 4, 1), real, 0),
        ("shape", (3,), whole, 1),
        ("flat", (1, 4, 4), real, 0),
        ("begin", (3,), whole, 2),
        ("size", (3,), whole, 3),
        ("scores with background", (1, 4, 3), real, 0),
        ("encodings", (1, 4, 4), real, 4),
        ("anchors", (4, 4), real, 5),
        *((spec.name, spec.shape, real, 0) for spec in outputs(names)),
    ]
    graph = schema.SubGraphT()
    graph.tensors = [_tensor(*row) for row in rows]
    graph.name, graph.inputs, graph.outputs = "main", [0], [8 + i for i in order]
    operators = [(22, "", [0, 1], [2]), (65, "", [2, 3, 4], [5]), (32, NAMES[0], [6, 5, 7], [8, 9, 10, 11])]
    graph.operators = []
    model.operatorCodes = []
    for number, (builtin, custom, ins, outs) in enumerate(operators):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = builtin
        code.version = 1
        code.customCode = custom or None
        model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = number, ins, outs
        if custom:
            operator.customOptions = np.frombuffer(_options(), np.uint8)
        graph.operators.append(operator)
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def make_detector_bundle(folder: Path, labels: bytes = b"cat\ndog\n", **how: Any) -> Path:
    """A whole bundle of it; ``how`` is for ``make_detector``."""
    return make_bundle(
        folder,
        kind="float32",
        model=make_detector(**how),
        labels=labels,
        task="detection",
        inputs=(INPUT,),
        outputs=outputs(**how),
        pixels=PIXELS,
    )


def _options() -> bytes:
    builder = flexbuffers.Builder()
    with builder.Map():
        for name, whole in (("max_detections", MOST), ("max_classes_per_detection", 1), ("num_classes", 2)):
            builder.Int(name, whole)
        builder.Float("nms_score_threshold", 0.1)
        builder.Float("nms_iou_threshold", 0.5)
        for name in ("y_scale", "x_scale", "h_scale", "w_scale"):
            builder.Float(name, 1.0)
    return bytes(builder.Finish())


def _tensor(name: str, shape: tuple[int, ...], kind: int, buffer: int) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), kind, buffer
    return tensor
