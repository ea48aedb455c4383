"""Histograms of ages: bounds of percentiles against sorted values, memory, threads."""

from __future__ import annotations

import math
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bramble_agent.camera.ages import LAST, PER_OCTAVE, Ages
from bramble_agent.timing import needed

STEP = 2 ** (1 / PER_OCTAVE)


@given(st.lists(st.integers(1_000, 3_000_000_000), min_size=90, max_size=300), st.sampled_from([0.5, 0.9, 0.95]))
def test_percentiles_are_never_below_and_at_most_nine_percent_above(values: list[int], q: float) -> None:
    """Against the nearest rank of the sorted values."""
    ages = Ages()
    for value in values:
        ages.record(value)
    true = sorted(values)[math.ceil(q * len(values)) - 1]
    told = ages.percentile_ns(q)
    assert told is not None
    assert true <= told * (1 + 1e-12)
    assert told <= true * STEP * (1 + 1e-12)


def test_too_few_values_carry_no_percentile() -> None:
    """p95 needs 90 values: with 89 there is none."""
    ages = Ages()
    for number in range(90):
        assert (ages.percentile_ns(0.95) is None) == (number < needed(0.95))
        ages.record(5_000_000)
    status = ages.status()
    assert (status.count, status.p95_ms, status.p99_ms) == (90, 5.0, None)
    assert (status.mean_ms, status.most_ms) == (5.0, 5.0)


@pytest.mark.parametrize("ns", [-5, 0, 1, 999, 1_000])
def test_small_and_negative_values_share_the_first_bucket(ns: int) -> None:
    """A clock's jitter must not break anything."""
    ages = Ages()
    for _ in range(8):
        ages.record(ns)
    assert ages.buckets()[0] == (0.001, 8)
    assert ages.percentile_ns(0.5) == max(ns, 0)


def test_the_largest_values_share_the_last_bucket() -> None:
    """A frame of a year ago counts, and is told as the most."""
    ages, year = Ages(), 365 * 86_400 * 10**9
    for _ in range(8):
        ages.record(year)
    assert ages.percentile_ns(0.5) == year


def test_memory_does_not_grow() -> None:
    """As many counters after a hundred thousand values as before."""
    ages = Ages()
    for number in range(100_000):
        ages.record(number * 977)
    assert len(ages._counts) == LAST + 1
    assert sys.getsizeof(ages._counts) < 4096
    assert ages.status().count == 100_000


def test_buckets_are_cumulative() -> None:
    """One bucket an octave; the last counts nearly everything."""
    ages = Ages()
    for ns in (1_500, 3_000, 3_000_000):
        ages.record(ns)
    held = dict(ages.buckets())
    assert (held[0.001], held[0.002], held[0.004]) == (0, 1, 2)
    assert list(held.values())[-1] == 3
    assert ages.total_ms() == pytest.approx(3.0045)


def test_threads_lose_nothing() -> None:
    """Four threads, every value is counted."""
    ages = Ages()

    def add() -> None:
        for _ in range(5_000):
            ages.record(1_000_000)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ages.status().count == 20_000
