"""xxHash32 of 4-byte keys."""

from __future__ import annotations

import numpy as np
import pytest

from bramble_agent.unpacking.xxh32 import xxh32

# (key, seed, hash) by xxhash 4.1.0, a binding of the reference:
# xxh32_intdigest(key.to_bytes(4, "little"), seed)
PUBLISHED = [
    (0, 0, 148298089),
    (1, 0, 4089149075),
    (2, 0, 527729046),
    (255, 0, 2794849139),
    (65536, 0, 3994957089),
    (2147483648, 0, 1509677505),
    (4294967295, 0, 67608159),
    (0, 1, 2012518600),
    (1234567, 1, 4186383894),
    (3735928559, 2654435761, 1741756007),
    (4294967295, 4294967295, 551811927),
    (235200, 42, 1045310067),
]


@pytest.mark.parametrize(("key", "seed", "expected"), PUBLISHED)
def test_hashes_are_those_of_the_reference(key: int, seed: int, expected: int) -> None:
    """Each key gives the hash that the reference implementation gives."""
    assert xxh32(np.array([key], np.uint32), seed).tolist() == [expected]


def test_many_keys_in_any_shape() -> None:
    """An array of keys gives the hash of each in its place, without a warning for what overflows."""
    keys = np.array([[key for key, seed, _ in PUBLISHED if seed == 0]], np.uint32)
    found = xxh32(keys, 0)
    assert found.dtype == np.uint32
    assert found.tolist() == [[value for _, seed, value in PUBLISHED if seed == 0]]
    assert xxh32(keys, 1 << 32).tolist() == found.tolist()


def test_buckets_are_even() -> None:
    """Of 64,000 keys in 64 buckets each has about 1,000 (5 standard deviations)."""
    counts = np.bincount(xxh32(np.arange(64_000, dtype=np.uint32), 7) % 64, minlength=64)
    assert np.abs(counts - 1000).max() < 5 * 1000**0.5
