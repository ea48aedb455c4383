"""Codebooks by k-means: few values, or few short vectors, that stand for many (Lloyd 1982; vectors by scikit-learn).

    minimise Σ |x − c[label(x)]|²  over the codewords c and the labels

``starts`` are Deep Compression's three initialisations (Han 2015, 1510.00149, section 3.2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int32]
ROUNDS = 1_000


def starts(values: Array, count: int, start: str, generator: np.random.Generator) -> Array:
    """The ``count`` values that k-means begins with; ``values`` are at least ``count`` different ones.

    linear is evenly spaced between the ends, density at the middles of ``count`` equal shares of the values, random a
    draw of different ones. Where shares are crowded with equal values, density gives fewer starts than ``count``.
    """
    if start == "linear":
        return np.linspace(values.min(), values.max(), count)
    if start == "density":
        return np.unique(np.quantile(values, (np.arange(count) + 0.5) / count))
    return np.sort(generator.choice(np.unique(values), count, replace=False))


def scalars(values: Array, begin: Array) -> tuple[Array, Labels]:
    """The codewords [K] and labels [N] for ``values`` [N] that Lloyd's iteration finds from ``begin`` [K].

    Values in a row need no distances: a codeword's members lie between the middles to its neighbours, and cumulative
    sums give their mean. One that is left without members goes to the value that is farthest from its own.
    """
    different, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mass, sums = (np.concatenate([[0.0], np.cumsum(one)]) for one in (counts, different * counts))
    codewords, labels = np.sort(begin), np.zeros(len(different), np.int32)
    for _ in range(ROUNDS):
        middles = np.searchsorted(different, (codewords[1:] + codewords[:-1]) / 2, side="right")
        ends = np.array([0, *middles, len(different)])
        labels = np.repeat(np.arange(len(codewords), dtype=np.int32), np.diff(ends))
        held = np.diff(mass[ends])
        means = np.where(held > 0, np.diff(sums[ends]) / np.maximum(1, held), codewords)
        lone = np.flatnonzero(held == 0)
        if len(lone):
            means[lone] = different[np.argsort(np.abs(different - means[labels]))[-len(lone) :]]
        if np.array_equal(np.sort(means), codewords):
            break
        codewords = np.sort(means)
    return codewords, labels[inverse.reshape(-1)]


def vectors(points: Array, count: int, seed: int) -> tuple[Array, Labels]:
    """At most ``count`` codewords [K, D] and the labels [N] of ``points`` [N, D], from a draw of different points."""
    different = np.unique(points, axis=0)
    if len(different) > count:
        begin = np.random.default_rng(seed).choice(different, count, replace=False)
        return _lloyd(points, begin)
    codewords, inverse = np.unique(points, axis=0, return_inverse=True)
    return codewords, inverse.reshape(-1).astype(np.int32)


def _lloyd(points: Array, begin: Array) -> tuple[Array, Labels]:
    from sklearn.cluster import KMeans

    found = KMeans(len(begin), init=begin, n_init=1, max_iter=ROUNDS, tol=0.0, algorithm="lloyd")
    labels = found.fit_predict(points).astype(np.int32)
    return np.asarray(found.cluster_centers_, dtype=np.float64), labels
