"""Codebooks: the three starts by hand, k-means against a loop over Lloyd's two steps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bramble.few_values.codebooks import scalars, starts, vectors

GENERATOR = np.random.default_rng(1)


def lloyd(points: NDArray[np.float64], codewords: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[int]]:
    """Lloyd's two steps, point by point, until nothing changes."""
    labels: list[int] = []
    while True:
        new = [min(range(len(codewords)), key=lambda k, p=p: float(((p - codewords[k]) ** 2).sum())) for p in points]
        if new == labels:
            return codewords, labels
        labels = new
        mine = [points[np.array(labels) == k] for k in range(len(codewords))]
        codewords = np.array([one.mean(0) for one in mine])


def test_linear_starts_are_evenly_spaced() -> None:
    """From the least to the greatest, wherever most values are."""
    values = np.array([-1.0, 0.0, 0.1, 0.2, 0.3, 2.0])
    assert starts(values, 4, "linear", GENERATOR).tolist() == [-1.0, 0.0, 1.0, 2.0]


def test_density_starts_are_quantiles() -> None:
    """Of 0 to 99 with two starts: the middles of the halves."""
    assert starts(np.arange(100.0), 2, "density", GENERATOR) == pytest.approx([24.75, 74.25])
    assert len(starts(np.array([0.0] * 98 + [1.0, 2.0]), 3, "density", GENERATOR)) == 1


def test_random_starts_are_different_values() -> None:
    """However often a value occurs it is drawn once."""
    values = np.repeat([1.0, 2.0, 5.0], [1, 100, 1])
    assert starts(values, 3, "random", np.random.default_rng(1)).tolist() == [1.0, 2.0, 5.0]


@pytest.mark.parametrize("start", ["linear", "density", "random"])
def test_values_against_the_loop(start: str) -> None:
    """Sixty values, each twice, five codewords: those of Lloyd's loop from the same start."""
    values = np.repeat(np.random.default_rng(2).normal(size=60), 2)
    begin = starts(values, 5, start, np.random.default_rng(1))
    codewords, labels = scalars(values, begin)
    expected, own = lloyd(values[:, None], begin[:, None])
    assert codewords == pytest.approx(expected[:, 0])
    assert labels.tolist() == own


def test_vectors_are_the_means_of_their_members() -> None:
    """Every codeword is the mean of its points, every point's codeword its nearest; deterministic."""
    points = np.random.default_rng(3).normal(size=(200, 3))
    codewords, labels = vectors(points, 8, 1)
    again, _ = vectors(points, 8, 1)
    assert np.array_equal(codewords, again)
    assert codewords == pytest.approx(np.array([points[labels == k].mean(0) for k in range(8)]))
    gaps = ((points[:, None] - codewords[None]) ** 2).sum(-1)
    assert np.array_equal(gaps.argmin(1), labels)


def test_as_many_codewords_as_points_lose_nothing() -> None:
    """Three different points and eight codewords: three, and every point is its codeword."""
    points = np.array([[1.0, 2.0], [0.0, 5.0], [1.0, 2.0], [3.0, 3.0]])
    codewords, labels = vectors(points, 8, 1)
    assert len(codewords) == 3
    assert np.array_equal(codewords[labels], points)


def test_a_codeword_without_members_moves() -> None:
    """Linear starts 0, 5, 10 on values at both ends: the middle one goes where it is needed."""
    codewords, labels = scalars(np.array([0.0, 0.5, 9.0, 10.0]), np.array([0.0, 5.0, 10.0]))
    assert codewords.tolist() == [0.25, 9.0, 10.0]
    assert labels.tolist() == [0, 0, 1, 2]
