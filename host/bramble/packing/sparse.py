"""The SPARSE coding of int8 with many zeros: which lines are neighbours, what weighs how much, which levels there are.

The weights of the agent's ``positions`` are fitted by logistic regression (Newton's method) on exactly the features
that the decoder will see; the distances at which lines are alike are those at which most weights stand beside others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bramble.packing.candidate import Candidate, Scales
from bramble.packing.levels import Levels, integer_levels, shared_levels
from bramble_agent.unpacking.parts import SPARSE, Part, unsigned
from bramble_agent.unpacking.positions import FEATURES, STEP, Outline, Surroundings, probabilities

Flags = NDArray[np.bool_]
LEAST_LINES = 4
NEWTON = 8
SAMPLE = 30_000  # cells that are enough to fit to
NO_LEVELS = Levels((), 0)


def sparse(offset: int, weights: NDArray[np.int8], axis: int, ref: int, scales: dict[int, Scales]) -> list[Candidate]:
    """The SPARSE parts worth trying for a matrix [rows, columns] whose channels are along ``axis``."""
    flags = weights != 0
    transposed, outline, factors = min(
        (_fitted(flags.T if turned else flags, turned) for turned in (False, True)), key=lambda one: one[0]
    )[1:]
    found = []
    for levels in (NO_LEVELS, integer_levels(weights), shared_levels(weights, axis, scales.get(ref))):
        if levels is None:
            continue
        numbers = (*weights.shape, int(transposed), axis, outline.count, ref, levels.step)
        lists = (len(outline.near), *outline.near, len(outline.far), *outline.far)
        signed = tuple(map(unsigned, (*factors,)))
        part = Part(SPARSE, offset, (*numbers, *signed, *lists, *map(unsigned, levels.levels)))
        found.append(Candidate(part, weights.tobytes()))
    return found


def _fitted(flags: Flags, transposed: bool) -> tuple[float, bool, Outline, tuple[int, ...]]:
    """The best neighbours of lines of flags: bits, and what gives them."""
    lines, width = flags.shape
    plain = Outline(lines, width, int(flags.sum()))
    tried = [_fit(flags, replace(plain, near=near, far=far)) for near, far in _neighbours(flags)]
    bits, outline, factors = min(tried, key=lambda one: one[0])
    return bits, transposed, outline, factors


def _neighbours(flags: Flags) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Distances of lines worth trying, near and far ones."""
    lines = len(flags)
    if lines < LEAST_LINES:
        return [((), ())]
    spectrum = np.fft.rfft(flags, 2 * lines, 0)
    alike = np.fft.irfft((spectrum * spectrum.conj()).sum(1), 2 * lines)[1 : lines // 2 + 1]
    alike = alike / np.arange(lines - 1, lines - 1 - len(alike), -1)
    best = [int(k) + 1 for k in np.argsort(-alike, kind="stable")]
    found: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((), ()), ((1,), (2, 3))]
    for k in [k for k in best if k > 3][:2]:
        found.append(((1, k, k - 1, k + 1), (2, 3, k - 2, k + 2, 2 * k, 2 * k + 1, 2 * k - 1)))
        found.append(((k,), (2 * k,)))
        second = next((other for other in best if other not in (k, 1) and other > 3), 0)
        if second:
            found.append(((k, second), (2 * k, k + second)))
    return found


def _fit(flags: Flags, outline: Outline) -> tuple[float, Outline, tuple[int, ...]]:
    """The weights of the features for these neighbours, and how many bits the flags take with them."""
    around = Surroundings(outline)
    seen = []
    for line in flags.astype(np.int64):
        seen.append(around.features())
        around.learn(line)
    features, truth = np.concatenate(seen, 1), flags.reshape(-1)
    factors = _newton(features, truth)
    ps = probabilities(features, np.array(factors)) / 65536
    return float(-np.log2(np.where(truth, ps, 1 - ps)).sum()), outline, factors


def _newton(features: NDArray[np.int64], truth: Flags) -> tuple[int, ...]:
    """Logistic regression; weights in 1/32. Where few cells are set, some of the others stand for all of them."""
    every = max(1, len(truth) // SAMPLE)
    kept = truth | (np.arange(len(truth)) % every == 0)
    odds, flags = features[:, kept] * (np.log(2) / 256), truth[kept]
    share = np.where(flags, 1, every)
    weights = np.array([0.0, 0.3, 0.3, 0.2, 0.4])
    for _ in range(NEWTON):
        p = 1 / (1 + np.exp(-np.clip(weights @ odds, -20, 20)))
        gradient = odds @ (share * (flags - p)) - 1e-2 * weights
        curvature = (odds * (share * p * (1 - p))) @ odds.T + 1e-2 * np.eye(FEATURES)
        weights = weights + np.clip(np.linalg.solve(curvature, gradient), -1, 1)
    return tuple(int(w) for w in np.clip(np.rint(weights * (1 << STEP)), -127, 127))
