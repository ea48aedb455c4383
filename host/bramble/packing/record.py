"""Write a .tflite out of its objects, and record the plan by which ``bramble_agent.unpacking.plan`` lays it down again.

Equal vectors (the zero points of all kernels are zeros) and strings are stored once. Weights are aligned to 16 bytes,
as the schema demands and flatbuffers' Python does not know by itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from bramble_agent.unpacking.plan import END, HELD, IDENTIFIER, REFERENCES, STRING, TABLE, VECTOR, varint_bytes

ALIGNMENT = 16


@dataclass(frozen=True)
class Vector:
    """A vector of a plan: what begins its entry, its content, and where that lies, counted from the end of the file."""

    head: bytes
    content: bytes
    place: int


@dataclass(frozen=True)
class Record:
    """A .tflite and its plan's entries."""

    model: bytes
    entries: tuple[bytes | Vector, ...]

    def plan(self, held: set[int]) -> bytes:
        """The plan that leaves out the content of the vectors at these offsets of the file."""
        return b"".join(one if isinstance(one, bytes) else self._vector(one, held) for one in self.entries)

    def offsets(self) -> set[int]:
        """Where vectors lie that may be left out."""
        return {len(self.model) - one.place for one in self.entries if isinstance(one, Vector)}

    def _vector(self, one: Vector, held: set[int]) -> bytes:
        left_out = len(self.model) - one.place in held
        return bytes([HELD if left_out else VECTOR]) + one.head + (b"" if left_out else one.content)


def opened(model: bytes) -> Any:
    """The ModelT of a .tflite."""
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromPackedBuf(model, 0)


def recorded(model: bytes) -> Record | None:
    """How these bytes were written, or None where they are no .tflite, or were not written in this way."""
    if model[4:8] != IDENTIFIER:
        return None
    try:
        found = record(opened(model))
    except (IndexError, ValueError, TypeError, AttributeError, KeyError, OverflowError, struct.error):
        return None
    return found if found.model == model else None


def record(held: Any) -> Record:
    """Write a ModelT, and how."""
    builder = _Recorder()
    builder.Finish(held.Pack(builder), file_identifier=IDENTIFIER)
    return Record(bytes(builder.Output()), tuple(builder.entries))


class _Recorder(flatbuffers.Builder):  # type: ignore[misc]
    """flatbuffers' builder, whose methods write entries of a plan besides; the names are its own."""

    def __init__(self) -> None:
        super().__init__(1 << 16)
        self.entries: list[bytes | Vector] = []
        self._known: dict[tuple[str, bytes], int] = {}
        self._made: list[int] = []
        self._free: list[int] = []
        self._vector: tuple[int, int, int] | None = None  # item, alignment, count
        self._references: list[bytes] = []
        self._fields: list[bytes] | None = None
        self._value = b""

    def CreateNumpyVector(self, values: NDArray[Any]) -> int:  # noqa: N802
        key = values.dtype.str, values.tobytes()
        if key not in self._known:
            alignment = ALIGNMENT if values.dtype == np.uint8 else values.dtype.alignment
            self.Prep(alignment, values.nbytes)
            self.StartVector(values.itemsize, values.size, alignment)
            self.head -= values.nbytes
            self.Bytes[self.head : self.head + values.nbytes] = values.astype(values.dtype.newbyteorder("<")).data
            self._known[key] = self.EndVector()
        return self._known[key]

    def CreateString(self, text: Any, *how: Any) -> int:  # noqa: N802
        held = text if isinstance(text, bytes) else text.encode()
        if ("", held) not in self._known:
            place = super().CreateString(held, *how)
            self.entries.append(bytes([STRING]) + varint_bytes(len(held)) + held)
            self._known["", held] = self._keep(place)
        return self._known["", held]

    def StartVector(self, item: int, count: int, alignment: int) -> int:  # noqa: N802
        self._vector, self._references = (item, alignment, count), []
        return int(super().StartVector(item, count, alignment))

    def EndVector(self, *count: Any) -> int:  # noqa: N802
        place = int(super().EndVector(*count))
        if self._vector is None:  # a string's
            return place
        item, alignment, length = self._vector
        self._vector = None
        if self._references:
            self.entries.append(bytes([REFERENCES]) + varint_bytes(length) + b"".join(self._references))
        else:
            start = self.head + 4
            content = bytes(self.Bytes[start : start + item * length])
            self.entries.append(Vector(bytes([item, alignment]) + varint_bytes(length), content, place - 4))
        return self._keep(place)

    def PrependUOffsetTRelative(self, place: int) -> None:  # noqa: N802
        if self._vector is not None:
            self._references.append(self._reference(place))
        elif self._fields is not None:
            self._value = b"\0" + self._reference(place)
        super().PrependUOffsetTRelative(place)

    def Prepend(self, flags: Any, value: Any) -> None:  # noqa: N802
        super().Prepend(flags, value)
        width = flags.bytewidth
        self._value = bytes([width]) + bytes(self.Bytes[self.head : self.head + width])

    def StartObject(self, count: int) -> None:  # noqa: N802
        self._fields = []
        super().StartObject(count)

    def Slot(self, number: int) -> None:  # noqa: N802
        if self._fields is not None:
            self._fields.append(bytes([number]) + self._value)
        super().Slot(number)

    def EndObject(self) -> int:  # noqa: N802
        fields, self._fields = self._fields or [], None
        self.entries.append(bytes([TABLE]) + varint_bytes(len(fields)) + b"".join(fields))
        return self._keep(int(super().EndObject()))

    def Finish(self, root: int, file_identifier: bytes) -> None:  # noqa: N802
        self.entries.append(bytes([END]))
        super().Finish(root, file_identifier=file_identifier)

    def _keep(self, place: int) -> int:
        self._made.append(place)
        self._free.append(place)
        return place

    def _reference(self, place: int) -> bytes:
        if place in self._free:
            depth = len(self._free) - 1 - self._free.index(place)
            self._free.remove(place)
            return varint_bytes(depth)
        return varint_bytes(len(self._free) + len(self._made) - 1 - self._made.index(place))
