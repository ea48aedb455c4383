"""Warnings about a benchmark's conditions: when there is one, when there is none, and which spoil the latencies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bramble.report.conditions import warnings_of
from bramble_agent.wire import BenchAnswer

from .by_hand import AFTER, QUIET, bench

UNDER, CAPPED, THROTTLED, SOFT = 1, 2, 4, 8  # now; 16 bits further left: since the board started


def ended(samples_ns: tuple[int, ...] = (1000,) * 100, *, before: Any = (), **after: Any) -> BenchAnswer:
    """A benchmark of equal samples that began and ended in these conditions."""
    return bench(samples_ns, before=replace(QUIET, **dict(before)), after=replace(AFTER, **after))


def codes(answer: BenchAnswer) -> list[str]:
    """The stable codes of all warnings."""
    return [warn.code for warn in warnings_of(answer)]


def test_quiet_board_has_no_warning() -> None:
    """Steady samples at the fixed governor on a cool, idle board need no comment."""
    assert warnings_of(ended()) == []


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [
        (0, 0, ""),
        (UNDER, 0, "under-voltage"),
        (0, CAPPED, "frequency capped"),
        (THROTTLED, THROTTLED, "throttled"),
        (0, UNDER | SOFT, "under-voltage, soft temperature limit"),
        (THROTTLED << 16, THROTTLED << 16, ""),  # long ago: before this benchmark
        (0, THROTTLED << 16, "throttled"),  # meanwhile, and over again at the end
        (UNDER << 16, (UNDER | SOFT) << 16, "soft temperature limit"),
        (UNDER << 16, UNDER << 16 | UNDER, "under-voltage"),
        (0x50000, 0x50005, "under-voltage, throttled"),
        (None, THROTTLED, ""),
        (THROTTLED, None, ""),
    ],
)
def test_throttling_at_an_end_or_in_between(before: int | None, after: int | None, seen: str) -> None:
    """A bit that is set at either end, or whose since-boot bit is new, was throttling; an old one was not."""
    found = warnings_of(ended(before={"throttled_bits": before}, throttled_bits=after))
    assert [warn.message for warn in found] == ([f"the board was {seen}"] if seen else [])
    assert all(warn.code == "throttled" and warn.spoils and warn.advice for warn in found)


@pytest.mark.parametrize(("temp_c", "hot"), [(None, False), (79.9, False), (80.0, True), (84.6, True)])
def test_hot_board(temp_c: float | None, hot: bool) -> None:
    """From 80 °C at the end, where a Pi slows itself down, latencies are spoilt."""
    found = warnings_of(ended(temp_c=temp_c))
    assert [(warn.code, warn.spoils) for warn in found] == ([("hot", True)] if hot else [])
    assert not hot or f"{temp_c:.0f} °C at the end" == found[0].message


@pytest.mark.parametrize(
    ("governor", "warned"), [("performance", False), (None, False), ("ondemand", True), ("powersave", True)]
)
def test_governor(governor: str | None, warned: bool) -> None:
    """Every governor but performance is told; it alone spoils nothing."""
    found = warnings_of(ended(before={"governor": governor}))
    assert [(warn.code, warn.spoils) for warn in found] == ([("governor", False)] if warned else [])
    assert not warned or repr(governor) in found[0].message


@pytest.mark.parametrize(
    ("busy_cpu_s", "warned"),
    [
        (114.0, True),
        (113.9, False),
        (129.0, True),
        (None, False),
    ],  # (114 − 100 − our 9) / 10 s = 0.5
)
def test_other_processes(busy_cpu_s: float | None, warned: bool) -> None:
    """Half a core of others' work in the window is told, with the cores."""
    found = warnings_of(ended(busy_cpu_s=busy_cpu_s))
    assert [(warn.code, warn.spoils) for warn in found] == ([("busy", False)] if warned else [])
    assert not warned or f"used {(float(busy_cpu_s or 0) - 109) / 10:.1f} cores" in found[0].message


def test_other_processes_are_unknown_without_time() -> None:
    """A clock that stood still or was set back tells nothing about others, and does not crash."""
    assert codes(ended(clock_s=1000.0, busy_cpu_s=500.0)) == []
    assert codes(ended(clock_s=900.0, busy_cpu_s=500.0)) == []


@pytest.mark.parametrize(
    ("step_us", "noisy"),
    [
        # of 100 sorted samples, the median is the 50th, its 99 % interval the 37th to the 64th:
        (1, True),  # 1, 2, … µs: (64 − 37) / 50 = 54 %
        (0, False),
    ],
)
def test_median_that_is_not_known_well(step_us: int, noisy: bool) -> None:
    """A median whose interval is wide is noise, and spoils the latencies."""
    found = warnings_of(ended(tuple(50_000 + (n - 50) * 1000 * step_us for n in range(1, 101))))
    assert [(warn.code, warn.spoils) for warn in found] == ([("noisy", True)] if noisy else [])
    assert not noisy or found[0].message == "the median is only known to 54%"


def test_noise_begins_at_a_quarter() -> None:
    """An interval of 27 of 108 µs is a quarter and noisy; of 27 in 109 it is not."""
    for base, noisy in ((58, True), (59, False)):
        samples = tuple((base + n) * 1000 for n in range(1, 101))  # the 50th is base + 50
        assert codes(ended(samples)) == (["noisy"] if noisy else [])


def test_few_samples_are_not_called_noisy() -> None:
    """Six samples carry no interval of the median, so nothing is said about it."""
    assert codes(ended((1000, 9000, 50_000, 1000, 9000, 70_000))) == []


def test_all_warnings_at_once() -> None:
    """Warnings do not hide each other."""
    samples = tuple(n * 1000 for n in range(1, 101))
    answer = ended(samples, before={"governor": "ondemand"}, throttled_bits=4, temp_c=85.0, busy_cpu_s=150.0)
    assert codes(answer) == ["throttled", "hot", "governor", "busy", "noisy"]
