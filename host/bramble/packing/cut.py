"""Find what a .tflite consists of: constant buffers, scales and zero points, each with its place in the file.

Everything between them is the flatbuffer's skeleton. A buffer's tensor says how it is to be read: its shape, its type,
the scale of each output channel, and from which vector of scales those come. Damage in a model is not judged here:
what cannot be found stays in the skeleton.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_BYTES = 8  # what is shorter stays in the skeleton


@dataclass(frozen=True)
class Piece:
    """A vector of a .tflite at ``offset``: a tensor's constant buffer, its "scales" or its "zero_points".

    ``kind`` is "buffer", "scales" or "zeros"; ``dtype`` and ``shape`` are those of the vector; ``axis`` is which axis
    of a buffer the scales at ``scales_at`` (-1: none) belong to. ``bias_of`` is the offset of the scales and the scale
    of the input that a bias' scales are the product of.
    """

    offset: int
    size: int
    kind: str
    dtype: str
    shape: tuple[int, ...]
    name: str = ""
    axis: int = 0
    scales_at: int = -1


def pieces(model: bytes) -> list[Piece]:
    """The vectors of a .tflite in the order of their places, none overlapping another; empty for what is none."""
    from ai_edge_litert import schema_py_generated as schema

    if model[4:8] != b"TFL3":
        return []
    try:
        found = _found(schema.Model.GetRootAs(model, 0), schema)
    except (IndexError, ValueError, TypeError, AttributeError, KeyError, OverflowError, struct.error):
        return []
    kept: list[Piece] = []
    for one in sorted(found, key=lambda piece: (piece.offset, -piece.size)):
        if one.offset >= (kept[-1].offset + kept[-1].size if kept else 8) and one.offset + one.size <= len(model):
            kept.append(one)
    return kept


def values(model: bytes, piece: Piece) -> NDArray[Any]:
    """The content of a piece as an array [rows, columns], a row for each output channel where there are any."""
    flat = np.frombuffer(model, np.dtype(piece.dtype), piece.size // np.dtype(piece.dtype).itemsize, piece.offset)
    return flat.reshape(piece.shape[0], -1) if len(piece.shape) > 1 else flat.reshape(1, -1)


def _found(model: Any, schema: Any) -> list[Piece]:
    types = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    found: dict[int, Piece] = {}
    for graph in (model.Subgraphs(i) for i in range(model.SubgraphsLength())):
        for tensor in (graph.Tensors(i) for i in range(graph.TensorsLength())):
            scales = _quantization(tensor, found)
            buffer = model.Buffers(tensor.Buffer())
            if not buffer.DataIsNone() and buffer.DataLength() >= LEAST_BYTES:
                one = _buffer(tensor, buffer, types, scales)
                found[one.offset] = one
    for buffer in (model.Buffers(i) for i in range(model.BuffersLength())):
        at = buffer._tab.Vector(buffer._tab.Offset(4)) if not buffer.DataIsNone() else 0
        if buffer.DataLength() >= 64 and at not in found and not any(buffer.DataAsNumpy()):
            found[at] = Piece(at, buffer.DataLength(), "zeros", "u1", (buffer.DataLength(),))
    return list(found.values())


def _buffer(tensor: Any, buffer: Any, types: dict[int, str], scales: int) -> Piece:
    at, size = buffer._tab.Vector(buffer._tab.Offset(4)), buffer.DataLength()
    dtype = np.dtype(
        {"FLOAT32": "<f4", "FLOAT16": "<f2", "INT16": "<i2", "INT32": "<i4"}.get(types[tensor.Type()], "i1")
    )
    if types[tensor.Type()] in ("INT64", "FLOAT64"):
        dtype = np.dtype("<i8")
    shape = tuple(int(n) for n in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else (size // dtype.itemsize,)
    if int(np.prod(shape)) * dtype.itemsize != size:  # sparse, packed in nibbles, or damaged
        dtype, shape = np.dtype("i1"), (size,)
    name = (tensor.Name() or b"").decode(errors="replace")
    axis = tensor.Quantization().QuantizedDimension() if scales >= 0 else 0
    return Piece(at, size, "buffer", dtype.str, shape, name, axis, scales)


def _quantization(tensor: Any, found: dict[int, Piece]) -> int:
    """Note the scales and zero points of a tensor with several; where its scales are, -1 without."""
    held = tensor.Quantization()
    if held is None or held.ScaleIsNone() or held.ScaleLength() < 2:
        return -1
    at, count = int(held._tab.Vector(held._tab.Offset(8))), held.ScaleLength()
    found.setdefault(at, Piece(at, 4 * count, "scales", "<f4", (count,)))
    if held.ZeroPointLength() > 1 and not held.ZeroPointAsNumpy().any():
        zeros, size = held._tab.Vector(held._tab.Offset(10)), 8 * held.ZeroPointLength()
        found.setdefault(zeros, Piece(zeros, size, "zeros", "u1", (size,)))
    return at
