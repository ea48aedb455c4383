"""Percentiles that only speak where the sample count carries them, with order-statistic intervals.

The largest of n samples exceeds the q-quantile with probability 1 − qⁿ; we ask for 99 %, so p90 needs 44 samples, p95
90, p99 459 and p99.9 4603 (distribution-free; see e.g. David & Nagaraja, Order Statistics, 2003, §7.1).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

CONFIDENCE = 0.99
Z99 = 2.5758  # two-sided 99 % normal quantile


def needed(q: float) -> int:
    """The least number of samples that bounds the ``q``-quantile from above with 99 % confidence."""
    return math.ceil(math.log(1.0 - CONFIDENCE) / math.log(q))


def percentile(samples: Sequence[int], q: float) -> float | None:
    """The ``q``-quantile (nearest rank, 0 < q < 1) of the samples, or None where they are too few for it."""
    if len(samples) < needed(q):
        return None
    return float(sorted(samples)[math.ceil(q * len(samples)) - 1])


def interval(samples: Sequence[int], q: float) -> tuple[float, float] | None:
    """A 99 % confidence interval of the ``q``-quantile from order statistics; None where samples are too few."""
    n = len(samples)
    if n < needed(q):
        return None
    ordered = sorted(samples)
    spread = Z99 * math.sqrt(n * q * (1.0 - q))
    low = max(0, math.floor(n * q - spread) - 1)
    high = min(n - 1, math.ceil(n * q + spread))
    return float(ordered[low]), float(ordered[high])


def sample(work: Callable[[], object], min_runs: int, min_s: float, max_s: float, max_runs: int) -> list[int]:
    """Nanoseconds of each call of ``work``, until ``min_runs`` and ``min_s`` are both reached, or one maximum is."""
    clock = time.perf_counter_ns
    samples: list[int] = []
    keep = samples.append
    begin = clock()
    enough, limit = begin + int(min_s * 1e9), begin + int(max_s * 1e9)
    while len(samples) < max_runs:
        start = clock()
        work()
        end = clock()
        keep(end - start)
        if end >= limit or (end >= enough and len(samples) >= min_runs):
            break
    return samples
