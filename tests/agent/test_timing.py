"""Percentiles and intervals against exact binomial arithmetic, and the stopping rule under a clock of our own."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest

from bramble_agent.timing import cpu_time, interval, needed, percentile, sample

PERCENTILES = (Fraction(1, 2), Fraction(9, 10), Fraction(95, 100), Fraction(99, 100), Fraction(999, 1000))


@pytest.mark.parametrize(("q", "count"), [(0.5, 8), (0.9, 44), (0.95, 90), (0.99, 459), (0.999, 4603)])
def test_needed_as_published(q: float, count: int) -> None:
    """The sample counts for a 99 % bound are those of the order-statistics tables."""
    assert needed(q) == count


@pytest.mark.parametrize("q", [*PERCENTILES[:4], pytest.param(PERCENTILES[4], marks=pytest.mark.slow)], ids=str)
def test_needed_is_the_least(q: Fraction) -> None:
    """So many samples hold the quantile between their ends in 1 − qⁿ − (1 − q)ⁿ ≥ 99 %, one fewer do not."""
    n = needed(float(q))
    assert coverage(n, q, 0, n - 1) >= Fraction(99, 100) > coverage(n - 1, q, 0, n - 2)


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
def test_interval_coverage_is_exact(q: Fraction) -> None:
    """The interval holds the true quantile in 99 % or more, at the least count, just above it and at far more."""
    least = needed(float(q))
    for n in (*range(least, least + 12), 2 * least, 5 * least + 20):
        found = interval(range(n), float(q))
        assert found is not None
        low, high = int(found[0]), int(found[1])
        assert coverage(n, q, low, high) >= Fraction(99, 100), n
        if n > 5 * least:
            assert coverage(n, q, low + 2, high - 2) < Fraction(99, 100)


def test_interval_as_published() -> None:
    """For the median of 20 samples the tables give the 4th and the 17th; of 100 the 37th and the 64th.

    By hand: P(B ≤ 3) for B binomial(20, ½) is (1 + 20 + 190 + 1140)/2²⁰ = 0.13 %, P(B ≤ 4) = 0.59 % is above 0.5 %.
    """
    assert interval(range(1, 21), 0.5) == (4.0, 17.0)
    assert interval(range(1, 101), 0.5) == (37.0, 64.0)


@pytest.mark.parametrize("q", [float(q) for q in PERCENTILES])
def test_interval_of_many_samples(q: float) -> None:
    """With 20,000 samples the ranks are within 3 of the normal approximation's n·q ± 2.5758·√(n·q·(1 − q))."""
    found = interval(range(1, 20_001), q)
    spread = 2.5758 * math.sqrt(20_000 * q * (1 - q))
    assert found is not None
    assert found == pytest.approx((20_000 * q - spread, 20_000 * q + spread), abs=3)


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
    ("min_runs", "min_s", "max_s", "runs"),
    [
        (30, 0.0, 9.0, 30),  # the count decides
        (3, 1e-6, 9.0, 100),  # the time decides: 1000 ns in calls of 10 ns
        (300, 1e-6, 9.0, 300),  # both are wanted
        (300, 0.0, 5e-7, 50),  # the longest time ends it
        (0, 0.0, 9.0, 1),  # nothing is asked: one call all the same
    ],
)
@pytest.mark.parametrize("most", [1, 7, 1000])
def test_when_sampling_stops(
    clock: Callable[..., Clock], min_runs: int, min_s: float, max_s: float, runs: int, most: int
) -> None:
    """Calls of 10 ns go on until count and time are both reached or the longest time is, however few are kept."""
    ticking = clock()
    kept = sample(ticking.work, min_runs, min_s, max_s, most)
    assert ticking.calls == runs
    assert len(kept) == runs if runs <= most else most / 2 <= len(kept) <= most


@pytest.mark.parametrize(
    ("most", "runs", "kept"),
    [
        (4, 4, [1, 2, 3, 4]),
        (4, 5, [1, 3, 5]),  # the fifth is one too many: every second goes
        (4, 8, [1, 3, 5, 7]),
        (4, 9, [1, 5, 9]),  # once more: every fourth is left
        (4, 17, [1, 9, 17]),
        (3, 12, [1, 5, 9]),
        (1, 100, [1]),
    ],
)
def test_thinning_is_even(clock: Callable[..., Clock], most: int, runs: int, kept: list[int]) -> None:
    """Of calls that take 1, 2, 3, … ns the kept ones are equally far apart, from the first on."""
    assert sample(clock(*range(1, runs + 1)).work, runs, 0.0, 9.0, most) == kept


def test_cpu_time_of_a_bare_loop(clock: Callable[..., Clock], monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of 10 ns for 1 µs: batches of 1, 1, 2, 4, … make 128 calls; at 30 ns of CPU each, 3.84 µs."""
    ticking = clock()
    monkeypatch.setattr(time, "perf_counter", lambda: ticking.now / 1e9)
    monkeypatch.setattr(time, "process_time", lambda: 3 * ticking.now / 1e9)
    cpu_s, calls = cpu_time(ticking.work, 1e-6)
    assert calls == ticking.calls == 128
    assert cpu_s == pytest.approx(3.84e-6)


def test_sampling_real_time() -> None:
    """With the real clock, sleeping 2 ms is never measured shorter than that."""
    samples = sample(lambda: time.sleep(0.002), 3, 0.0, 5.0, 10)
    assert len(samples) == 3
    assert min(samples) >= 2_000_000
