"""What a foreign .tflite is, read off the file: a classifier or an SSD detector of pictures, or why it is neither.

A quantized input says itself which real values pixels 0..255 stand for: its integers are the pixels, one for one, so
low = (least − zero point)·scale and high = (most − zero point)·scale. A float input does not say; a person must.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from bramble.errors import IncompatibleError, UsageError
from bramble.tflite import Graph, read_graph
from bramble_agent import runtime
from bramble_agent.camera.detection import find_outputs
from bramble_agent.errors import BadRequest
from bramble_agent.pixels import CHANNELS
from bramble_agent.unpacking.unpack import is_packed
from bramble_agent.wire import Pixels, TensorSpec

POSTPROCESS = "TFLite_Detection_PostProcess"
SAYS = ("SOFTMAX", "LOGISTIC")  # operators whose results are probabilities
PASSING = frozenset({"DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE"})
KINDS = ("logits", "probabilities")
FITS = ("stretch", "crop", "pad")
INPUTS = ("float32", "int8", "uint8", "int16")
ANSWERS = ("float32", "int8", "uint8", "int16")
SMALLEST, LARGEST = 2, 4096  # pixels of a side
ASK_RANGE = "say what black and white were in its training: --input-range 0,1 or -1,1 or 0,255"


@dataclass(frozen=True)
class Wish:
    """What a person says of a model: the real values of pixels 0 and 255, how pictures fit, what its answers are."""

    range: tuple[float, float] | None = None
    fit: str = "stretch"
    kind: str = ""


@dataclass(frozen=True)
class Foreign:
    """A model that Bramble can use; ``classes`` is 0 for a detector that does not tell."""

    task: str
    pixels: Pixels
    kind: str
    classes: int
    graph: Graph


def examine(model: bytes, wish: Wish) -> Foreign:
    """What a model is. Raises IncompatibleError where it is nothing for us, UsageError where something must be said.

    Also what ``runtime.load`` raises: OperatorMissing for an operator that the boards' runtime lacks, ModelRejected.
    """
    if is_packed(model):
        raise UsageError(
            "this is a model that Bramble packed", "`bramble inspect FILE --extract DIR` writes the plain model.tflite"
        )
    graph = read_graph(model)
    engine = runtime.load(model)
    pixels = _pixels(_only_input(engine.inputs), wish)
    if len(engine.outputs) > 1:
        return _detector(model, graph, engine.outputs, pixels)
    (output,) = engine.outputs or (None,)
    if output is None:
        raise IncompatibleError("the model has no outputs", "convert it again")
    _check_answer(output)
    return Foreign("classification", pixels, wish.kind or _kind(graph), output.shape[-1], graph)


def _only_input(inputs: tuple[TensorSpec, ...]) -> TensorSpec:
    if len(inputs) != 1:
        told = ", ".join(f"{spec.name} {list(spec.shape)}" for spec in inputs) or "none"
        raise IncompatibleError(f"the model takes {len(inputs)} inputs: {told}", "Bramble gives it one picture")
    return inputs[0]


def _pixels(spec: TensorSpec, wish: Wish) -> Pixels:
    shape = list(spec.shape)
    if len(shape) == 4 and shape[1] in CHANNELS.values() and shape[3] not in CHANNELS.values():
        hint = "convert it with channels last (NHWC), as TensorFlow Lite's operators want it"
        raise IncompatibleError(f"the input {spec.name} is {shape}: channels first", hint)
    sides = shape[1:3]
    if len(shape) != 4 or shape[0] != 1 or shape[3] not in CHANNELS.values():
        raise IncompatibleError(f"the input {spec.name} is {shape}: no picture", _shapes())
    if not all(SMALLEST <= side <= LARGEST for side in sides):
        raise IncompatibleError(f"the input {spec.name} is {shape}: no picture of a fixed size", _shapes())
    color = next(name for name, channels in CHANNELS.items() if channels == shape[3])
    return Pixels(sides[0], sides[1], color, *_range(spec, wish), wish.fit)


def _shapes() -> str:
    return "pictures are [1, height, width, 3] or, grey, [1, height, width, 1]"


def _range(spec: TensorSpec, wish: Wish) -> tuple[float, float]:
    """The real values of pixels 0 and 255."""
    if spec.dtype not in INPUTS:
        hint = f"convert it with an input of {', '.join(INPUTS)}"
        raise IncompatibleError(f"the input {spec.name} is {spec.dtype}", hint)
    if wish.range is not None:
        return wish.range
    if spec.dtype in ("float32", "int16"):
        raise UsageError(
            f"the input {spec.name} is {spec.dtype}: nothing in the file says what a pixel becomes", ASK_RANGE
        )
    limits, step = np.iinfo(spec.dtype), spec.scale or 1.0
    return (limits.min - spec.zero_point) * step, (limits.max - spec.zero_point) * step


def _check_answer(output: TensorSpec) -> None:
    told = f"the output {output.name} is {output.dtype} {list(output.shape)}"
    if output.dtype not in ANSWERS:
        hint = "a class's number alone has no score: convert it without its ARG_MAX" if "int" in output.dtype else ""
        raise IncompatibleError(told, hint or f"convert it with an output of {', '.join(ANSWERS)}")
    if not output.shape or math.prod(output.shape) != output.shape[-1]:
        raise IncompatibleError(
            f"{told}: no row of scores", "a classifier answers [1, classes]; a detector has 4 outputs"
        )


def _kind(graph: Graph) -> str:
    """Whether the answers are probabilities: what the last operator is, behind those that only pass values on."""
    makers = {tensor: node for node in graph.nodes for tensor in node.outputs}
    node = makers.get(graph.outputs[0])
    while node is not None and node.name in PASSING:
        node = makers.get(node.inputs[0])
    return "probabilities" if node is not None and node.name in SAYS else "logits"


def _detector(model: bytes, graph: Graph, outputs: tuple[TensorSpec, ...], pixels: Pixels) -> Foreign:
    try:
        find_outputs(outputs)
    except BadRequest as error:
        raise IncompatibleError(f"{error.message}; and no classifier: those have one output", error.hint) from error
    odd = sorted({spec.dtype for spec in outputs} - {"float32"})
    if odd:
        raise IncompatibleError(f"a detector with outputs of {', '.join(odd)}", "its four outputs must be float32")
    return Foreign("detection", pixels, "probabilities", _classes(model), graph)


def _classes(model: bytes) -> int:
    """How many classes the operator that ends a detector tells apart; 0 where the file does not say."""
    from ai_edge_litert import schema_py_generated as schema

    held = schema.ModelT.InitFromPackedBuf(model, 0)
    for operator in held.subgraphs[0].operators or ():
        name = held.operatorCodes[operator.opcodeIndex].customCode or b""
        if name == POSTPROCESS.encode() and operator.customOptions is not None:
            return _told(bytes(operator.customOptions))
    return 0


def _told(options: bytes) -> int:
    """``num_classes`` in the options of that operator; 0 where they are damaged."""
    try:
        held: Any = flexbuffers.Loads(options)
        return max(0, int(held["num_classes"]))
    except (ValueError, LookupError, TypeError, AttributeError, struct.error):
        return 0
