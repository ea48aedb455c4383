"""The HASHED coding: a layer of HashedNets as its K values, from the seed that it was trained with.

For each bucket the real value must fall, times the signs, into the interval of every weight that it stands for (see
``levels``); where one does not, the layer is not hashed in this way and nothing is returned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bramble.packing.candidate import Candidate, Scales
from bramble.packing.levels import FINEST, INSIDE
from bramble_agent.unpacking.contents import hashed_bytes
from bramble_agent.unpacking.hashed import KERAS, TFLITE, buckets, signs
from bramble_agent.unpacking.levels import real
from bramble_agent.unpacking.parts import HASHED, Part


def hashed(
    offset: int, weights: NDArray[np.int8], hint: tuple[int, int], ref: int, scales: dict[int, Scales]
) -> list[Candidate]:
    """The HASHED part of weights [outputs, inputs] given (seed, buckets); empty if they are not hashed so."""
    seed, count = hint
    words = scales.get(ref)
    for order in (TFLITE, KERAS):
        bucket = buckets((weights.shape[0], weights.shape[1]), count, seed, order)
        plain = weights * signs((weights.shape[0], weights.shape[1]), seed, order)
        if np.abs(plain).max() > 127:
            continue
        for step, levels in _levels(plain, bucket, count, words):
            scaled = (step, words)
            shape = (weights.shape[0], weights.shape[1])
            if hashed_bytes(shape, (seed, order), np.array(levels), scaled) == weights.tobytes():
                part = Part(HASHED, offset, (*shape, count, seed, order, ref if step else 0, step))
                return [Candidate(part, np.array(levels, "<i8").tobytes())]
    return []


def _levels(
    plain: NDArray[np.int64], bucket: NDArray[np.int64], count: int, words: Scales | None
) -> list[tuple[int, NDArray[np.int64]]]:
    """Steps and levels that may do: the weights themselves, and real ones on the coarsest grid."""
    first = np.zeros(count, dtype=np.int64)
    first[bucket.reshape(-1)] = plain.reshape(-1)
    found = [(0, first)]
    if words is None or len(words) != len(plain) or not np.all(words.view(np.float32) > 0):
        return found
    wide = words.view(np.float32).astype(np.float64)[:, None]
    low, high = np.full(count, -np.inf), np.full(count, np.inf)
    np.maximum.at(low, bucket, (plain - 0.5 + INSIDE) * wide)
    np.minimum.at(high, bucket, (plain + 0.5 - INSIDE) * wide)
    low, high = np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
    if np.any(low > high):
        return found
    exponent = int(np.ceil(np.log2(max(np.abs(low).max(), np.abs(high).max(), 1e-30))))
    for finer in range(FINEST):
        word = int(np.array([2.0 ** (exponent - finer)], np.float32).view(np.uint32)[0])
        points = np.ceil(low / real(word))
        if np.all(points * real(word) <= high) and np.abs(points).max() < 1 << 30:
            return [*found, (word, points.astype(np.int64))]
    return found
