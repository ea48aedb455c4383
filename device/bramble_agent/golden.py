"""Golden answers: a few real inputs and what the model said to them on the host, kept in a bundle's golden.npz.

Arrays: ``pixels`` uint8 [N, h, w, c]; ``input_<i>`` [N, …] in the dtype of input i; ``output_<i>`` [N, …] likewise.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from .bundle import Bundle
from .errors import BundleDamaged
from .runtime import Engine

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_golden(bundle: Bundle) -> dict[str, NDArray[Any]]:
    """The arrays of golden.npz: ``pixels`` uint8 [N, h, w, c], ``input_<i>`` and ``output_<i>`` [N, …]."""
    try:
        with np.load(io.BytesIO(bundle.read("golden.npz")), allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BundleDamaged(f"golden.npz cannot be read: {error}", "build the bundle again") from error
    needed = {"pixels"} | {f"input_{i}" for i in range(len(bundle.manifest.inputs))}
    needed |= {f"output_{i}" for i in range(len(bundle.manifest.outputs))}
    if needed - set(arrays):
        raise BundleDamaged(f"golden.npz lacks {sorted(needed - set(arrays))[0]}", "build the bundle again")
    return arrays


def answers(engine: Engine, golden: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """The engine's outputs for the golden inputs, one array [N, …] an output."""
    inputs = numbered(golden, "input")
    rows = [engine.run(*(values[i][None] for values in inputs)) for i in range(len(inputs[0]))]
    return [np.concatenate(column) for column in zip(*rows)]


def numbered(golden: dict[str, NDArray[Any]], kind: str) -> list[NDArray[Any]]:
    """The arrays ``<kind>_0``, ``<kind>_1``, … in order."""
    return [golden[f"{kind}_{i}"] for i in range(sum(name.startswith(kind + "_") for name in golden))]
