"""Percentiles and intervals against exact binomial arithmetic, and the stopping rule under a clock of our own."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest

from bramble_agent.timing import interval, needed, percentile, sample

PERCENTILES = (Fraction(1, 2), Fraction(9, 10), Fraction(95, 100), Fraction(99, 100), Fraction(999, 1000))


@pytest.mark.parametrize(("q", "count"), [(0.9, 44), (0.95, 90), (0.99, 459), (0.999, 4603)])
def test_needed_as_published(q: float, count: int) -> None:
    """The sample counts for a 99 % bound are those of the order-statistics tables."""
    assert needed(q) == count


@pytest.mark.parametrize("q", PERCENTILES, ids=str)
def test_needed_is_the_least(q: Fraction) -> None:
    """With n samples the largest exceeds the quantile with probability 1 − qⁿ ≥ 0.99, with one fewer it does not."""
    n = needed(float(q))
    assert 1 - q**n >= Fraction(99, 100) > 1 - q ** (n - 1)


def test_percentile_by_hand() -> None:
    """Nearest rank: of 1..100 the median is 50, p90 is 90, p95 is 95, whatever their order."""
    backwards = list(range(100, 0, -1))
    assert [percentile(backwards, q) for q in (0.5, 0.9, 0.95)] == [50.0, 90.0, 95.0]


@pytest.mark.parametrize("q", PERCENTILES, ids=str)
def test_percentile_rank_for_every_count(q: Fraction) -> None:
    """The rank is ⌈q·n⌉ in exact arithmetic for every n up to 1200 (p99.9: some more): no rounding slips by one."""
    for n in itertools.chain(range(needed(float(q)), 1200), range(needed(float(q)), needed(float(q)) + 50)):
        assert percentile(range(1, n + 1), float(q)) == math.ceil(q * n), n


@pytest.mark.parametrize("q", [float(q) for q in PERCENTILES])
def test_too_few_samples_say_nothing(q: float) -> None:
    """One sample below the needed count gives None for percentile and interval; the needed count gives both."""
    few = range(needed(q) - 1)
    assert percentile(few, q) is None
    assert interval(few, q) is None
    enough = range(needed(q))
    assert percentile(enough, q) is not None
    assert interval(enough, q) is not None


def coverage(n: int, q: Fraction, low: int, high: int) -> Fraction:
    """Chance that the q-quantile lies between the order statistics of these ranks (0-based): exact binomial sum."""
    chances = (math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(low + 1, high + 1))
    return sum(chances, Fraction(0))


@pytest.mark.parametrize("q", PERCENTILES[:4], ids=str)
@pytest.mark.parametrize("times", [1, 2, 5])
def test_interval_coverage_is_exact(q: Fraction, times: int) -> None:
    """The interval holds the true quantile in 99 % (97.5 % where the largest sample bounds it), and is no wider."""
    n = times * needed(float(q)) + 20
    found = interval(range(n), float(q))
    assert found is not None
    low, high = int(found[0]), int(found[1])
    capped = high == n - 1
    assert coverage(n, q, low, high) >= (Fraction(975, 1000) if capped else Fraction(99, 100))
    if not capped:
        assert coverage(n, q, low + 2, high - 2) < Fraction(99, 100)


@pytest.mark.parametrize(("q", "n"), [(0.5, 60), (0.9, 200), (0.95, 700)])
def test_interval_holds_the_truth_as_often_as_stated(q: float, n: int) -> None:
    """In 3000 seeded runs on skewed latencies the interval misses the true quantile in about 1 %, never above 1.6 %."""
    rng = np.random.default_rng(11)
    truth = -math.log(1 - q) * 1e6  # quantile of the exponential distribution with mean 1e6
    missed = 0
    for _ in range(3000):
        found = interval(rng.exponential(1e6, n).tolist(), q)
        assert found is not None
        missed += not found[0] <= truth <= found[1]
    assert 0 < missed <= 0.016 * 3000


class Clock:
    """A clock that only moves when ``work`` is done."""

    def __init__(self, steps_ns: Iterator[int]) -> None:
        self.now, self.steps, self.calls = 7_000, steps_ns, 0

    def read(self) -> int:
        """The time now, as perf_counter_ns would say it."""
        return self.now

    def work(self) -> None:
        """Take the next step's time."""
        self.calls += 1
        self.now += next(self.steps)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Clock]:
    """Make a Clock from the durations of the calls to come, and let ``timing`` read it."""

    def make(*steps_ns: int, then: int = 10) -> Clock:
        made = Clock(itertools.chain(steps_ns, itertools.repeat(then)))
        monkeypatch.setattr(time, "perf_counter_ns", made.read)
        return made

    return make


def test_samples_are_the_durations(clock: Callable[..., Clock]) -> None:
    """Each sample is the time of one call, in order."""
    assert sample(clock(5, 9, 1).work, 3, 0.0, 1.0, 100) == [5, 9, 1]


@pytest.mark.parametrize(
    ("min_runs", "min_s", "max_s", "max_runs", "runs"),
    [
        (30, 0.0, 9.0, 1000, 30),  # the count decides
        (3, 1e-6, 9.0, 1000, 100),  # the time decides: 1000 ns in calls of 10 ns
        (300, 1e-6, 9.0, 1000, 300),  # both are wanted
        (300, 0.0, 5e-7, 1000, 50),  # the longest time ends it
        (300, 9.0, 9.0, 40, 40),  # the most runs end it
        (0, 0.0, 9.0, 1000, 1),  # nothing is asked: one call all the same
        (0, 0.0, 9.0, 0, 0),  # none are allowed
    ],
)
def test_when_sampling_stops(
    clock: Callable[..., Clock], min_runs: int, min_s: float, max_s: float, max_runs: int, runs: int
) -> None:
    """Calls of 10 ns go on until count and time are both reached, or one of the maxima is."""
    ticking = clock()
    assert len(sample(ticking.work, min_runs, min_s, max_s, max_runs)) == runs
    assert ticking.calls == runs


def test_sampling_real_time() -> None:
    """With the real clock, sleeping 2 ms is never measured shorter than that."""
    samples = sample(lambda: time.sleep(0.002), 3, 0.0, 5.0, 10)
    assert len(samples) == 3
    assert min(samples) >= 2_000_000
