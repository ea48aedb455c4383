"""Golden answers: a few real inputs and what the model said to them on the host, kept in a bundle's golden.npz.

Arrays: ``pixels`` uint8 [N, h, w, c]; ``input_<i>`` [N, …] in the dtype of input i; ``output_<i>`` [N, …] likewise.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from .bundle import Bundle
from .errors import BundleDamaged
from .pixels import CHANNELS
from .runtime import Engine
from .wire import Manifest

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAMAGE = (  # what NumPy and zipfile raise for an archive that is not one
    *(ValueError, TypeError, AttributeError, LookupError, SyntaxError, RuntimeError, MemoryError),
    *(OSError, EOFError, struct.error, zlib.error, zipfile.BadZipFile),
)


def read_golden(bundle: Bundle) -> dict[str, NDArray[Any]]:
    """The arrays of golden.npz: ``pixels`` uint8 [N, h, w, c], ``input_<i>`` and ``output_<i>`` [N, …]."""
    try:
        with np.load(io.BytesIO(bundle.read("golden.npz")), allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
    except DAMAGE as error:
        raise BundleDamaged(f"golden.npz cannot be read: {error}", "build the bundle again") from error
    if bundle.manifest.golden.count < 1:
        raise BundleDamaged("the bundle holds no golden answers", "build it with at least one picture")
    for name, (kind, shape) in _wanted(bundle.manifest).items():
        if name not in arrays:
            raise BundleDamaged(f"golden.npz lacks {name}", "build the bundle again")
        if (arrays[name].dtype.name, arrays[name].shape) != (kind, shape):
            found = f"{arrays[name].dtype.name} {list(arrays[name].shape)}"
            raise BundleDamaged(f"golden.npz: {name} is {found}, not {kind} {list(shape)}", "build the bundle again")
    return arrays


def _wanted(manifest: Manifest) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The dtype and shape that each array of golden.npz must have."""
    count, how = manifest.golden.count, manifest.pixels
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
    shapes["pixels"] = ("uint8", (count, how.height, how.width, CHANNELS.get(how.color, 0)))
    for kind, specs in (("input", manifest.inputs), ("output", manifest.outputs)):
        for i, spec in enumerate(specs):
            shapes[f"{kind}_{i}"] = (spec.dtype, (count * math.prod(spec.shape[:1]), *spec.shape[1:]))
    return shapes


def answers(engine: Engine, golden: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """The engine's outputs for the golden inputs, one array [N, …] an output."""
    inputs = numbered(golden, "input")
    rows = [engine.run(*(values[i][None] for values in inputs)) for i in range(len(inputs[0]))]
    return [np.concatenate(column) for column in zip(*rows)]


def numbered(golden: dict[str, NDArray[Any]], kind: str) -> list[NDArray[Any]]:
    """The arrays ``<kind>_0``, ``<kind>_1``, … in order."""
    return [golden[f"{kind}_{i}"] for i in range(sum(name.startswith(kind + "_") for name in golden))]
