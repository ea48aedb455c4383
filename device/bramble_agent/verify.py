"""Run a bundle's golden inputs on this board and compare with the answers the host stored.

Integer outputs are compared in LSB (steps of the output's scale). Same family of kernels on the same machine
architecture: exact. Another family or architecture: 1 LSB, the difference seen between XNNPACK and the built-in
kernels; each has its own code for x86 and for Arm, which may round differently too. Float outputs: 1e-4 of the largest
magnitude.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import pixels, runtime
from .bundle import Bundle
from .golden import answers, numbered, read_golden
from .wire import VerifyAnswer

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOAT_TOLERANCE = 1e-4


def verify(bundle: Bundle, threads: int = 1) -> VerifyAnswer:
    """Compare this board's answers with the bundle's golden ones; ``ok`` says whether they agree well enough.

    Raises BundleDamaged where golden.npz does not fit the manifest, and what ``runtime.load`` raises.
    """
    golden = read_golden(bundle)
    engine = runtime.load(bundle.model, threads)
    expected = numbered(golden, "output")
    got = answers(engine, golden)
    manifest = bundle.manifest
    lookup = pixels.table(manifest.pixels, manifest.inputs[0])
    same_input = np.array_equal(pixels.to_input(golden["pixels"], lookup), golden["input_0"])
    worst, max_abs, differing = _compare(expected, got)
    integer = all(np.dtype(spec.dtype).kind in "iu" for spec in manifest.outputs)
    if integer:
        allowed = 0 if engine.kernels == manifest.golden.kernels else 1
        ok, tolerance = worst <= allowed, f"{allowed} LSB"
    else:
        limit = FLOAT_TOLERANCE * max(1.0, max(float(np.abs(values).max()) for values in expected))
        ok, tolerance = max_abs <= limit < np.inf, f"{limit:.2g} absolute"
    if not same_input:
        tolerance += "; the input tables differ"
    return VerifyAnswer(
        ok=bool(ok and same_input),
        checked=manifest.golden.count,
        values=sum(values.size for values in expected),
        differing=differing,
        max_lsb=int(worst) if integer else None,
        max_abs=max_abs,
        tolerance=tolerance,
        runtime=engine.runtime,
        kernels=engine.kernels,
    )


def _compare(expected: list[NDArray[Any]], got: list[NDArray[Any]]) -> tuple[float, float, int]:
    """Largest difference in steps, largest absolute difference, and how many values differ."""
    gaps = [np.abs(a.astype(np.float64) - b.astype(np.float64)) for a, b in zip(expected, got)]
    worst = float(np.max([gap.max() for gap in gaps]))  # NumPy's max, unlike Python's, does not lose a nan
    return worst, worst, sum(int(np.count_nonzero(gap)) for gap in gaps)
