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
    """The least number of samples whose smallest and largest hold the ``q``-quantile between them in 99 %.

    From p90 on the largest alone decides. The median needs 8: 7 miss it in 2/2⁷ = 1.6 %.
    """
    n = math.ceil(math.log(1.0 - CONFIDENCE) / math.log(max(q, 1.0 - q)))
    while q**n + (1.0 - q) ** n > 1.0 - CONFIDENCE:
        n += 1
    return n


def percentile(samples: Sequence[int], q: float) -> float | None:
    """The ``q``-quantile (nearest rank, 0 < q < 1) of the samples, or None where they are too few for it."""
    if len(samples) < needed(q):
        return None
    return float(sorted(samples)[math.ceil(q * len(samples)) - 1])


def interval(samples: Sequence[int], q: float) -> tuple[float, float] | None:
    """A confidence interval of the ``q``-quantile from order statistics, 99 % or more; None where samples are too few.

    Ranks are those of the exact binomial, 0.5 % at each end. Where even the largest sample misses the quantile more
    often than that (but in no more than 1 %), it is the upper end, and the lower end may miss in what remains.
    """
    n = len(samples)
    if n < needed(q):
        return None
    most = 1.0 - CONFIDENCE
    above, missed = _tail(n, 1.0 - q, most / 2.0)
    if above < 0:
        above, missed = 0, q**n
    below, _ = _tail(n, q, min(most / 2.0, most - missed))
    if below < 0:
        return None
    ordered = sorted(samples)
    return float(ordered[below]), float(ordered[n - 1 - above])


def _tail(n: int, q: float, chance: float) -> tuple[int, float]:
    """The greatest k with P(B ≤ k) ≤ ``chance`` for B binomial(n, q), and that probability; k is −1 if 0 is too many.

    The sum begins ten standard deviations below the mean: what lies under that is beyond a float's precision here.
    """
    k = max(0, int(n * q - 10.0 * math.sqrt(n * q * (1.0 - q)) - 10.0))
    log_ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    mass = math.exp(log_ways + k * math.log(q) + (n - k) * math.log1p(-q))
    total = 0.0
    while total + mass <= chance:
        total += mass
        k += 1
        mass *= (n - k + 1) / k * q / (1.0 - q)
    return k - 1, total


def sample(work: Callable[[], object], min_runs: int, min_s: float, max_s: float, most: int) -> list[int]:
    """Nanoseconds of calls of ``work``, which go on until ``min_runs`` and ``min_s`` are both reached, or ``max_s`` is.

    At most ``most`` (1 or more) are kept: when there are more, every second is dropped, and from then on only every
    2nd (then 4th, …) call is kept. So the kept ones lie evenly over the whole window, and where latency has no trend
    and no period of as many calls, their percentiles are those of all calls. Every call is timed in the same way.
    """
    clock = time.perf_counter_ns
    samples: list[int] = []
    calls, every = 0, 1
    begin = clock()
    enough, limit = begin + int(min_s * 1e9), begin + int(max_s * 1e9)
    while True:
        start = clock()
        work()
        end = clock()
        if calls % every == 0:
            samples.append(end - start)
            if len(samples) > most:
                del samples[1::2]
                every *= 2
        calls += 1
        if end >= limit or (end >= enough and calls >= min_runs):
            return samples


def cpu_time(work: Callable[[], object], seconds: float) -> tuple[float, int]:
    """CPU-seconds of this process, all its threads, over so many calls of ``work`` in a bare loop, and how many.

    The calls go on for ``seconds`` at least. The clocks are read only between batches, each as long as all before it.
    """
    calls, batch = 0, 1
    start, cpu_start = time.perf_counter(), time.process_time()
    while True:
        for _ in range(batch):
            work()
        calls += batch
        if time.perf_counter() - start >= seconds:
            return time.process_time() - cpu_start, calls
        batch = calls
