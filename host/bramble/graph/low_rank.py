"""A kernel as a product of smaller ones, as small as a relative error allows.

    matrix [m, n]      K ≈ (U·√S) (√S·Vᵀ), truncated SVD: the best of its rank (Eckart & Young 1936)
    kernel [h, w, i, o] K ≈ C ×₃ A ×₄ B, Tucker on the two channel modes (Kim et al. 2016, 1511.06530)

The error is ‖K − K'‖ / ‖K‖ in the Frobenius norm. The ranks of a Tucker decomposition are the cheapest pair that holds
it: with both channel modes turned to their singular vectors (HOSVD; De Lathauwer et al. 2000), what a pair of ranks
drops is a sum over the corner of that core which is cut off, so all pairs are known at once. tensorly's alternating
iteration (HOOI) then only lowers the error. A channel mode that keeps its full rank gets no factor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def split_matrix(kernel: Array, error: float) -> dict[str, Array]:
    """Factors "u" [m, r] and "v" [r, n] of the smallest rank r ≥ 1 whose relative error is at most ``error``."""
    left, values, right = np.linalg.svd(kernel, full_matrices=False)
    kept = np.cumsum(values**2)
    rank = _first(kept, kept[-1], error)
    root = np.sqrt(values[:rank])
    return {"u": left[:, :rank] * root, "v": root[:, None] * right[:rank]}


def split_kernel(kernel: Array, error: float) -> dict[str, Array]:
    """Kernels of the fewest weights in all whose product is off by at most ``error``, in the order they are applied.

    "u" [1, 1, i, r] (left out if r = i), "core" [h, w, r, s], "v" [1, 1, s, o] (left out if s = o).
    """
    into, out = ranks(kernel, error)
    full = kernel.shape[2:]
    modes = [mode for mode, rank in ((2, into), (3, out)) if rank < kernel.shape[mode]]
    core, factors = _tucker(kernel, [into, out], modes)
    parts = {"core": core}
    if into < full[0]:
        parts = {"u": factors[2][None, None], **parts}
    if out < full[1]:
        parts["v"] = factors[3].T[None, None]
    return parts


def ranks(kernel: Array, error: float) -> tuple[int, int]:
    """The ranks of the input and output channels with the fewest weights that hold ``error`` by HOSVD."""
    height, width, into, out = kernel.shape
    left, right = _basis(kernel, 2), _basis(kernel, 3)
    energy = np.square(np.einsum("hwio,ir,os->hwrs", kernel, left, right)).sum((0, 1))
    kept = energy.cumsum(0).cumsum(1)  # of the pair of ranks (row + 1, column + 1)
    first, second = np.indices(kept.shape) + 1
    weights = first * into * (first < into) + height * width * first * second + second * out * (second < out)
    holds = kept >= _needed(kept[-1, -1], error)
    best = np.argmin(np.where(holds, weights, np.iinfo(np.int64).max))
    return int(first.flat[best]), int(second.flat[best])


def _tucker(kernel: Array, wanted: list[int], modes: list[int]) -> tuple[Array, dict[int, Array]]:
    """The core and the factor of each of ``modes``; nothing is factored where there are none, or nothing is there."""
    from tensorly.decomposition import partial_tucker  # brings SciPy's linear algebra along

    if not modes or not kernel.any():
        zero = {mode: np.zeros((kernel.shape[mode], wanted[mode - 2])) for mode in modes}
        return kernel[:, :, : wanted[0], : wanted[1]], zero
    found = partial_tucker(kernel, rank=[wanted[mode - 2] for mode in modes], modes=modes, random_state=0)
    core, factors = found[0]
    return core, dict(zip(modes, factors, strict=True))


def _basis(kernel: Array, mode: int) -> Array:
    """The left singular vectors of a mode's unfolding, those with the largest singular values first."""
    rows = np.moveaxis(kernel, mode, 0).reshape(kernel.shape[mode], -1)
    return np.asarray(np.linalg.svd(rows, full_matrices=False)[0])


def _first(kept: Array, whole: float, error: float) -> int:
    return int(np.argmax(kept >= _needed(whole, error))) + 1


def _needed(whole: float, error: float) -> float:
    """The energy that must stay; a hair less, so that rounding costs no rank where nothing is dropped."""
    return whole * (1.0 - error**2) * (1.0 - 1e-12)
