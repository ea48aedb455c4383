"""Weights that are not stored at all: which of K values each has, and its sign, is hashed from its place.

    w[o, i] = ξ(key) · v[h(key)],    h = xxh32(key, seed) mod K,    ξ = 1 − 2 · (xxh32(key, seed + 1) mod 2)

with key = i · outputs + o, the place in a Keras kernel [inputs, outputs] (``KERAS``), or the place in the .tflite,
o · inputs + i (``TFLITE``). Chen et al., "Compressing Neural Networks with the Hashing Trick", 2015 (HashedNets).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Tuple

import numpy as np

from .xxh32 import xxh32

if TYPE_CHECKING:
    from numpy.typing import NDArray

TFLITE, KERAS = 0, 1


def buckets(shape: Tuple[int, int], count: int, seed: int, order: int) -> NDArray[np.int64]:
    """The bucket [outputs, inputs] of each weight, below ``count``."""
    return np.asarray(xxh32(_keys(shape, order), seed).astype(np.int64) % count)


def signs(shape: Tuple[int, int], seed: int, order: int) -> NDArray[np.int64]:
    """The sign [outputs, inputs] of each weight: 1 or -1."""
    return np.asarray(1 - 2 * (xxh32(_keys(shape, order), seed + 1).astype(np.int64) & 1))


def _keys(shape: Tuple[int, int], order: int) -> NDArray[np.uint32]:
    outputs, inputs = shape
    keys = np.arange(outputs * inputs, dtype=np.uint32)
    return keys.reshape(inputs, outputs).T if order == KERAS else keys.reshape(outputs, inputs)
