"""Golden answers: a few real inputs and what the model said to them on the host, kept in a bundle's golden.npz.

Arrays: ``pixels`` uint8 [N, h, w, c]; ``input_<i>`` [N, …] in the dtype of input i; ``output_<i>`` [N, …] likewise, by
the host's best kernels, and ``<family>_<i>`` by other ones that the manifest names.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from .bundle import Bundle
from .errors import BundleDamaged
from .pixels import CHANNELS
from .runtime import Engine
from .wire import Manifest

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT_BYTES = 256 << 20  # of all arrays unpacked: a kilobyte of an archive can stand for a megabyte of zeros
DAMAGE = (  # what NumPy and zipfile raise for an archive that is not one
    *(ValueError, TypeError, AttributeError, LookupError, SyntaxError, RuntimeError, MemoryError),
    *(OSError, EOFError, struct.error, zlib.error, zipfile.BadZipFile),
)


def read_golden(bundle: Bundle) -> dict[str, NDArray[Any]]:
    """The arrays of golden.npz: ``pixels`` uint8 [N, h, w, c]; inputs, outputs, families' answers [N, …].

    Nothing else in the archive is read, and no array before its stated size, dtype and shape are the manifest's.
    """
    if bundle.manifest.golden.count < 1:
        raise BundleDamaged("the bundle holds no golden answers", "build it with at least one picture")
    wanted = _wanted(bundle.manifest)
    try:
        with zipfile.ZipFile(io.BytesIO(bundle.read("golden.npz"))) as archive:
            members = {name: _member(archive, name) for name in wanted}
            size = sum(member.file_size for member in members.values())
            if size > LIMIT_BYTES:
                raise _damaged(f"its arrays have {size:,} bytes, more than the {LIMIT_BYTES:,} allowed")
            for name, member in members.items():
                _check_header(archive, member, name, wanted[name])
            return {name: _array(archive, member) for name, member in members.items()}
    except DAMAGE as error:
        raise BundleDamaged(f"golden.npz cannot be read: {error}", "build the bundle again") from error


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """The archive's entry for an array, compressed (if at all) in the way that ``np.savez_compressed`` does."""
    if f"{name}.npy" not in archive.NameToInfo:
        raise _damaged(f"golden.npz lacks {name}")
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _damaged(f"golden.npz: {name} is compressed in a way boards cannot read")
    return member


def _check_header(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, wanted: tuple[str, tuple[int, ...]]
) -> None:
    """Refuse an array by what its first bytes state, before room is made for the rest."""
    kind, shape = wanted
    with archive.open(member) as stream:
        held_shape, dtype = _header(stream)
    if (dtype.name, held_shape) != wanted:
        raise _damaged(f"golden.npz: {name} is {dtype.name} {list(held_shape)}, not {kind} {list(shape)}")
    if dtype.itemsize * math.prod(shape) > member.file_size:
        raise _damaged(f"golden.npz: {name} is cut short")


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """The shape and dtype that a .npy states; ``savez`` writes versions 1 and 2 for arrays of plain numbers."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise _damaged(f"golden.npz holds an array of format {version}")
    return shape, dtype


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as stream:
        values: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        return values


def _damaged(message: str) -> BundleDamaged:
    return BundleDamaged(message, "build the bundle again")


def _wanted(manifest: Manifest) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The dtype and shape that each array of golden.npz must have."""
    count, how = manifest.golden.count, manifest.pixels
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
    shapes["pixels"] = ("uint8", (count, how.height, how.width, CHANNELS.get(how.color, 0)))
    answers = [(kind, manifest.outputs) for kind in ("output", *manifest.golden.others)]
    for kind, specs in (("input", manifest.inputs), *answers):
        for i, spec in enumerate(specs):
            shapes[f"{kind}_{i}"] = (spec.dtype, (count * math.prod(spec.shape[:1]), *spec.shape[1:]))
    return shapes


def answers(engine: Engine, golden: dict[str, NDArray[Any]], task: str) -> list[NDArray[Any]]:
    """The engine's outputs for the golden inputs, one array [N, …] an output."""
    inputs = numbered(golden, "input")
    rows = [engine.run(*(values[i][None] for values in inputs)) for i in range(len(inputs[0]))]
    if task == "detection":
        for row in rows:
            _clear_unwritten(row)
    return [np.concatenate(column) for column in zip(*rows)]


def _clear_unwritten(outputs: tuple[NDArray[Any], ...]) -> None:
    """Behind the number of boxes that were found a detector leaves what was in memory: make it 0."""
    for number in [values for values in outputs if values.ndim < 2]:
        for values in outputs:
            if values.ndim > 1:
                values[:, max(0, int(number.flat[0])) :] = 0


def numbered(golden: dict[str, NDArray[Any]], kind: str) -> list[NDArray[Any]]:
    """The arrays ``<kind>_0``, ``<kind>_1``, … in order."""
    return [golden[f"{kind}_{i}"] for i in range(sum(name.startswith(kind + "_") for name in golden))]
