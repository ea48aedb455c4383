"""Run a bundle's golden inputs on this board and compare with the answers the host stored.

Integer outputs are compared in LSB (steps of the output's scale), float ones against 1e-4 of the largest magnitude.
Same family of kernels on the same machine architecture: integers are exact. Elsewhere 1 LSB is allowed from what one
family answered on the host. XNNPACK's kernels, the built-in ones and the reference each round in their own way, and
each has its own code for x86 and for Arm; in a deep net that grows (ResNet-8: 88 LSB between two of them, 12 between an
Arm board and the nearest). So where the host's own families are further apart on these inputs, a board may be as far
from the nearest, in as many values, and no more.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

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
    manifest = bundle.manifest
    got = answers(engine, golden, manifest.task)
    lookup = pixels.table(manifest.pixels, manifest.inputs[0])
    same_input = np.array_equal(pixels.to_input(golden["pixels"], lookup), golden["input_0"])
    same = engine.kernels == manifest.golden.kernels
    known = {kind: numbered(golden, kind) for kind in ("output", *(() if same else manifest.golden.others))}
    integer = all(np.dtype(spec.dtype).kind in "iu" for spec in manifest.outputs)
    ok, gap, tolerance = _judged(known, got, integer, same)
    if not same_input:
        tolerance += "; the input tables differ"
    return VerifyAnswer(
        ok=bool(ok and same_input),
        checked=manifest.golden.count,
        values=sum(values.size for values in got),
        differing=gap.differing,
        max_lsb=int(gap.worst) if integer else None,
        max_abs=gap.worst,
        tolerance=tolerance,
        runtime=engine.runtime,
        kernels=engine.kernels,
    )


def _judged(
    known: dict[str, list[NDArray[Any]]], got: list[NDArray[Any]], integer: bool, same: bool
) -> tuple[bool, Gap, str]:
    """Whether answers are near enough to those of the nearest family, how far they are, and what was allowed."""
    step = 1.0 if integer else FLOAT_TOLERANCE * max(1.0, max(float(np.abs(v).max()) for v in known["output"]))
    gap, like = min(((_gap(expected, got, step), kind) for kind, expected in known.items()), key=lambda found: found[0])
    spread = [_gap(one, other, step) for one, other in itertools.combinations(known.values(), 2)]
    allowed = max([0.0 if integer and same else step, *(apart.worst for apart in spread)])
    ok = gap.worst <= allowed < np.inf and gap.far <= max([0, *(apart.far for apart in spread)])
    tolerance = f"{allowed:.0f} LSB" if integer else f"{allowed:.2g} absolute"
    return ok, gap, tolerance if like == "output" else f"{tolerance} beside {like} kernels"


class Gap(NamedTuple):
    """How far two sets of answers are apart: most, in how many values at all, and in how many by more than a step."""

    worst: float
    far: int
    differing: int


def _gap(expected: list[NDArray[Any]], got: list[NDArray[Any]], step: float) -> Gap:
    gaps = [np.abs(a.astype(np.float64) - b.astype(np.float64)) for a, b in zip(expected, got)]
    worst = float(np.max([gap.max() for gap in gaps]))  # NumPy's max, unlike Python's, does not lose a nan
    far = sum(int(np.count_nonzero(gap > step)) for gap in gaps)
    return Gap(worst, far, sum(int(np.count_nonzero(gap)) for gap in gaps))
