"""Numbers as people read them, by hand: three digits everywhere, also just below the next prefix."""

from __future__ import annotations

import math

import pytest

from bramble.report.units import budget_name, budget_sign, budget_value, duration, milliseconds, percent, si


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "s", "–"),
        (0, "B", "0 B"),
        (0.0, "s", "0 s"),
        (1.0, "s", "1.00 s"),
        (0.999e-6, "s", "999 ns"),
        (0.9996e-6, "s", "1.00 µs"),
        (8.6e-6, "s", "8.60 µs"),
        (9.994e-6, "s", "9.99 µs"),
        (9.996e-6, "s", "10.0 µs"),
        (99.94e-6, "s", "99.9 µs"),
        (99.96e-6, "s", "100 µs"),
        (999.4e-6, "s", "999 µs"),
        (999.6e-6, "s", "1.00 ms"),
        (15_800, "B", "15.8 kB"),
        (999, "B", "999 B"),
        (7, "B", "7 B"),
        (1000, "B", "1.00 kB"),
        (999_400, "B", "999 kB"),
        (999_960, "B", "1.00 MB"),
        (52_000_000, "B", "52.0 MB"),
        (1_800_000_000, "Hz", "1.80 GHz"),
        (3.2e12, "B", "3200 GB"),
        (7.7e-6, "J", "7.70 µJ"),
        (4e-12, "s", "0.00 ns"),
        (-8.6e-6, "s", "-8.60 µs"),
        (-9.996, "s", "-10.0 s"),
        (-15_800, "B", "-15.8 kB"),
        (-999_960, "B", "-1.00 MB"),
    ],
)
def test_si(value: float | None, unit: str, shown: str) -> None:
    """The prefix fits, and rounding never leaves four digits or a thousand."""
    assert si(value, unit) == shown


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_does_not_crash(value: float) -> None:
    """A board may say anything; it is shown as it is."""
    assert str(value) in si(value, "J")


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (0.0, "0 s"), (0.00138, "1.38 µs"), (5.0, "5.00 ms"), (2500.0, "2.50 s")]
)
def test_milliseconds(value: float | None, shown: str) -> None:
    """A time in ms gets the prefix that fits."""
    assert milliseconds(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"), [(None, "–"), (0.0, "0.00 %"), (0.925, "92.50 %"), (1.0, "100.00 %"), (0.99996, "100.00 %")]
)
def test_percent(share: float | None, shown: str) -> None:
    """Shares are per cent with two decimals."""
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown", "sign", "title"),
    [
        ("accuracy", 0.9, "90.00 %", "≥", "accuracy"),
        ("size_bytes", 20_000, "20.0 kB", "≤", "size"),
        ("p95_ms", 5.0, "5.00 ms", "≤", "p95 latency"),
        ("peak_rss_bytes", 52_000_000, "52.0 MB", "≤", "peak memory"),
        ("joules_per_inference", 0.002, "2.00 mJ", "≤", "energy per inference"),
        ("golden_answers", 0.0, "0", "≤", "golden answers"),
        ("p99_ms", None, "–", "≤", "p99 latency"),
        ("golden_answers", None, "–", "≤", "golden answers"),
    ],
)
def test_budget_lines(name: str, value: float | None, shown: str, sign: str, title: str) -> None:
    """Each line of a budget is shown with its own unit, sign and name."""
    assert (budget_value(name, value), budget_sign(name), budget_name(name)) == (shown, sign, title)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0.0 s"),
        (89.0, "89.0 s"),
        (150.0, "2 min"),
        (7200.0, "2.0 h"),
        (3 * 86_400.0, "3.0 days"),
        (1.7e9, "53.9 years"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    """The unit of which there are at least one and a half."""
    assert duration(seconds) == words
