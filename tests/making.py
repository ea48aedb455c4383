"""Tiny valid bundles for tests, made without TensorFlow: one FULLY_CONNECTED layer, packed by hand.

The expected answers come from ``reference``, exact arithmetic in Python, so that they check the interpreter and not the
other way round. The integer model's pixel p is held as p − 128, and its output k is

    floor(Σ_i p_i · WEIGHTS[k][i] / 512 + 1/2) − 3, clipped to int8.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import zipfile
from dataclasses import replace
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from bramble_agent.codec import encode
from bramble_agent.wire import (
    BUNDLE_VERSION,
    FileFact,
    Golden,
    Manifest,
    Operator,
    Pixels,
    TensorSpec,
)

SIDE = 4
LABELS = ("left", "right", "même")
KERNELS = f"xnnpack/{platform.machine()}"  # the golden answers below are exact, so they hold for all other kernels too
IN_SCALE, OUT_SCALE, OUT_ZERO = 1.0 / 255.0, 1.0, -3
WEIGHT_SCALE = 255.0 / 512.0  # IN_SCALE · WEIGHT_SCALE / OUT_SCALE = 1/512
WEIGHTS = np.array([[i % 5 + k - 4 for i in range(SIDE * SIDE)] for k in (0, 3, 5)], dtype=np.int8)
PICTURES = np.array([[(17 * i + 59 * n) % 256 for i in range(SIDE * SIDE)] for n in range(4)], dtype=np.uint8).reshape(
    -1, SIDE, SIDE, 1
)
INT8_INPUT = TensorSpec("picture", (1, SIDE, SIDE, 1), "int8", float(np.float32(IN_SCALE)), -128)
INT8_OUTPUT = TensorSpec("scores", (1, len(LABELS)), "int8", OUT_SCALE, OUT_ZERO)
FLOAT_INPUT = TensorSpec("picture", (1, SIDE, SIDE, 1), "float32")
FLOAT_OUTPUT = TensorSpec("scores", (1, len(LABELS)), "float32")


def reference(picture: NDArray[np.uint8]) -> tuple[Fraction, ...]:
    """The model's exact outputs, unrounded and without the output's zero point."""
    return tuple(
        sum((Fraction(int(p) * int(w), 512) for p, w in zip(picture.ravel(), row, strict=True)), Fraction(0))
        for row in WEIGHTS
    )


def int8_answers(pictures: NDArray[np.uint8] = PICTURES) -> NDArray[np.int8]:
    """What the integer model must answer, [N, 3]."""
    rows = [[floor(value + Fraction(1, 2)) + OUT_ZERO for value in reference(picture)] for picture in pictures]
    return np.array([[max(-128, min(127, value)) for value in row] for row in rows], dtype=np.int8)


def float_answers(pictures: NDArray[np.uint8] = PICTURES) -> NDArray[np.float32]:
    """What the float model must answer, [N, 3]."""
    return np.array([[float(value) for value in reference(picture)] for picture in pictures], dtype=np.float32)


# ---- the model -------------------------------------------------------------------------------------------------


def make_model(kind: str = "int8", version: int = 4, custom: str = "", builtin: int | None = None) -> bytes:
    """A .tflite of one layer, ``kind`` int8 or float32; ``custom`` or ``builtin`` makes it an operator nobody has."""
    model = schema.ModelT()
    model.version, model.description = 3, "a test's model"
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.FULLY_CONNECTED if builtin is None else builtin
    if custom:
        code.builtinCode, code.customCode = schema.BuiltinOperator.CUSTOM, custom
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), version
    model.operatorCodes = [code]
    graph = schema.SubGraphT()
    graph.name, graph.inputs, graph.outputs = "main", [0], [3]
    weights: NDArray[Any] = WEIGHTS if kind == "int8" else (WEIGHTS.astype(np.float32) * np.float32(255 / 512))
    bias = np.zeros(len(LABELS), dtype=np.int32 if kind == "int8" else np.float32)
    model.buffers = [schema.BufferT(), _buffer(weights), _buffer(bias)]
    quantized = kind == "int8"
    graph.tensors = [
        _tensor("picture", (1, SIDE, SIDE, 1), kind, 0, (IN_SCALE, -128) if quantized else None),
        _tensor("weights", WEIGHTS.shape, kind, 1, (WEIGHT_SCALE, 0) if quantized else None),
        _tensor("bias", (3,), "int32" if quantized else kind, 2, (IN_SCALE * WEIGHT_SCALE, 0) if quantized else None),
        _tensor("scores", (1, len(LABELS)), kind, 0, (OUT_SCALE, OUT_ZERO) if quantized else None),
    ]
    graph.operators = [_operator(plain=not custom and builtin is None)]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _operator(plain: bool) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1, 2], [3]
    if plain:
        operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        operator.builtinOptions = schema.FullyConnectedOptionsT()
    return operator


def _buffer(values: NDArray[Any]) -> Any:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), dtype=np.uint8)
    return buffer


def _tensor(name: str, shape: tuple[int, ...], kind: str, buffer: int, scale: tuple[float, int] | None) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, list(shape), buffer
    tensor.type = {"int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32}.get(
        kind, schema.TensorType.FLOAT32
    )
    if scale:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale[0]], [scale[1]]
    return tensor


# ---- the bundle ------------------------------------------------------------------------------------------------


def make_golden(kind: str = "int8") -> dict[str, NDArray[Any]]:
    """The arrays of golden.npz for the four PICTURES."""
    if kind == "int8":
        return {
            "pixels": PICTURES,
            "input_0": (PICTURES.astype(np.int16) - 128).astype(np.int8),
            "output_0": int8_answers(),
        }
    return {"pixels": PICTURES, "input_0": (PICTURES / 255.0).astype(np.float32), "output_0": float_answers()}


def make_bundle(
    folder: Path,
    *,
    kind: str = "int8",
    model: bytes | None = None,
    arrays: dict[str, NDArray[Any]] | None = None,
    labels: bytes = "\n".join((*LABELS, "")).encode(),
    **changes: Any,
) -> Path:
    """Write a whole bundle into ``folder`` (made if missing) and return it.

    ``arrays`` are those of golden.npz, ``changes`` replace fields of the manifest (``golden`` among them). Files are
    listed with their true digests unless ``files`` is changed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(make_model(kind) if model is None else model)
    (folder / "labels.txt").write_bytes(labels)
    packed = io.BytesIO()
    held: dict[str, Any] = {**(make_golden(kind) if arrays is None else arrays)}
    np.savez(packed, **held)
    (folder / "golden.npz").write_bytes(packed.getvalue())
    names = ("model.tflite", "labels.txt", "golden.npz")
    facts = {name: _fact((folder / name).read_bytes()) for name in names}
    manifest = replace(_manifest(kind, facts), **changes)
    (folder / "manifest.json").write_text(json.dumps(encode(manifest), indent=1))
    return folder


def make_zip(folder: Path, target: Path) -> Path:
    """Pack the bundle in ``folder`` as one .zip."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return target


def bundle_digest(folder: Path) -> str:
    """The name of the release that the bundle in ``folder`` becomes: the sha256 of its manifest."""
    return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


def _fact(data: bytes) -> FileFact:
    return FileFact(hashlib.sha256(data).hexdigest(), len(data))


def _manifest(kind: str, files: dict[str, FileFact]) -> Manifest:
    return Manifest(
        version=BUNDLE_VERSION,
        name=f"tiny-{kind}",
        task="classification",
        files=files,
        inputs=(INT8_INPUT if kind == "int8" else FLOAT_INPUT,),
        outputs=(INT8_OUTPUT if kind == "int8" else FLOAT_OUTPUT,),
        pixels=Pixels(SIDE, SIDE, "gray"),
        output_kind="logits",
        operators=(Operator("FULLY_CONNECTED", 4, 1),),
        minimum_runtime="1.14.0",
        golden=Golden(len(PICTURES), "reference arithmetic", KERNELS),
        provenance={"made by": "tests"},
    )
