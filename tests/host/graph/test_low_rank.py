"""Factors of kernels against plain numpy: their product, their error, and that no cheaper choice would do."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bramble.graph.low_rank import ranks, split_kernel, split_matrix

Array = NDArray[np.float64]


def random(*shape: int, seed: int = 1) -> Array:
    """Normal numbers."""
    return np.random.default_rng(seed).normal(size=shape)


def decaying(into: int, out: int, size: int = 3) -> Array:
    """A kernel whose channels matter less and less, as trained ones do."""
    return random(size, size, into, out) * 0.8 ** np.arange(into)[:, None] * 0.9 ** np.arange(out)


def product(parts: dict[str, Array]) -> Array:
    """The kernel that the parts are together, in loops over nothing: one matrix product a side."""
    kernel = parts["core"]
    if "u" in parts:
        kernel = np.einsum("ir,hwrs->hwis", parts["u"][0, 0], kernel)
    return np.einsum("hwis,so->hwio", kernel, parts["v"][0, 0]) if "v" in parts else kernel


def off(kernel: Array, other: Array) -> float:
    """The relative error by numpy's norms."""
    return float(np.linalg.norm(kernel - other) / np.linalg.norm(kernel))


@pytest.mark.parametrize("error", [0.05, 0.3, 0.7])
def test_smallest_rank_of_a_matrix(error: float) -> None:
    """The product holds the error, and by numpy's singular values one rank less would not; both factors weigh alike."""
    kernel = random(12, 20)
    parts = split_matrix(kernel, error)
    rank = parts["u"].shape[1]
    values = np.linalg.svd(kernel, compute_uv=False)
    dropped = [np.sqrt((values[r:] ** 2).sum() / (values**2).sum()) for r in range(13)]
    assert rank == next(r for r in range(1, 13) if dropped[r] <= error)
    assert off(kernel, parts["u"] @ parts["v"]) == pytest.approx(dropped[rank], rel=1e-6)
    assert np.linalg.norm(parts["u"], axis=0) == pytest.approx(np.linalg.norm(parts["v"], axis=1))


def test_a_matrix_of_low_rank_is_found() -> None:
    """Rank 3 in 12 x 20, exactly; a matrix of nothing has rank 1."""
    kernel = random(12, 3) @ random(3, 20, seed=2)
    parts = split_matrix(kernel, 1e-6)
    assert parts["u"].shape == (12, 3)
    assert np.allclose(parts["u"] @ parts["v"], kernel, atol=1e-9)
    assert [part.shape for part in split_matrix(np.zeros((4, 5)), 0.1).values()] == [(4, 1), (1, 5)]


def by_hand(kernel: Array, error: float) -> tuple[int, int]:
    """The cheapest pair of ranks, each pair's kernel put together and measured."""
    height, width, into, out = kernel.shape
    left = np.linalg.svd(kernel.transpose(2, 0, 1, 3).reshape(into, -1))[0]
    right = np.linalg.svd(kernel.transpose(3, 0, 1, 2).reshape(out, -1))[0]
    found = []
    for r in range(1, into + 1):
        for s in range(1, out + 1):
            a, b = left[:, :r] @ left[:, :r].T, right[:, :s] @ right[:, :s].T
            weights = height * width * r * s + (into * r if r < into else 0) + (s * out if s < out else 0)
            if off(kernel, np.einsum("hwio,ij,op->hwjp", kernel, a, b)) <= error:
                found.append((weights, r, s))
    return min(found)[1:]


@pytest.mark.parametrize("error", [0.1, 0.3, 0.6])
@pytest.mark.parametrize(("into", "out"), [(6, 9), (9, 6), (1, 8), (8, 1), (3, 12)])
def test_cheapest_ranks_that_hold_the_error(into: int, out: int, error: float) -> None:
    """The same pair as by trying all; the product of the parts is no further off."""
    kernel = decaying(into, out)
    assert ranks(kernel, error) == by_hand(kernel, error)
    parts = split_kernel(kernel, error)
    assert off(kernel, product(parts)) <= error
    r, s = ranks(kernel, error)
    assert parts["core"].shape == (3, 3, r, s)
    assert ("u" in parts, "v" in parts) == (r < into, s < out)


def test_a_kernel_of_low_rank_is_found() -> None:
    """3 x 3 with 4 of 16 input and 5 of 24 output directions, exactly; each iteration's order of factors is kept."""
    kernel = np.einsum("hwrs,ir,so->hwio", random(3, 3, 4, 5), random(16, 4, seed=2), random(5, 24, seed=3))
    parts = split_kernel(kernel, 1e-6)
    assert {name: part.shape for name, part in parts.items()} == {
        "u": (1, 1, 16, 4),
        "core": (3, 3, 4, 5),
        "v": (1, 1, 5, 24),
    }
    assert list(parts) == ["u", "core", "v"]
    assert np.allclose(product(parts), kernel, atol=1e-6)


def test_the_same_kernel_gives_the_same_factors() -> None:
    """To the bit, whatever numpy's global random numbers are."""
    kernel = decaying(12, 16)
    found = []
    for seed in (1, 2):
        np.random.seed(seed)
        found.append(split_kernel(kernel, 0.3))
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


def test_a_kernel_of_nothing() -> None:
    """Zeros have ranks 1 and give zeros."""
    parts = split_kernel(np.zeros((3, 3, 4, 5)), 0.1)
    assert parts["core"].shape == (3, 3, 1, 1)
    assert np.array_equal(product(parts), np.zeros((3, 3, 4, 5)))
