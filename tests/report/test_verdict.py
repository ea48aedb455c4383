"""The budget as a judgement: every limit just met, just missed and undecided, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bramble.report.conditions import Warn
from bramble.report.verdict import Line, Measured, Verdict, judge, overall
from bramble_agent.wire import Budget, Scores

from .by_hand import ENERGY, SCORES, VERIFY, bench

PASS, MISSED, UNDECIDED = Verdict.PASS, Verdict.MISSED, Verdict.UNDECIDED
HOT = Warn("hot", "85 °C at the end", "cool it", spoils=True)
GOVERNOR = Warn("governor", "the CPU governor is 'ondemand'", "set it")


def measured(**changes: Any) -> Measured:
    """A model of 15,800 bytes that was measured on a quiet board."""
    return replace(Measured(SCORES, 15_800, None, bench(), ()), **changes)


def line(limits: dict[str, float], **changes: Any) -> Line:
    """The one line of a budget with one limit."""
    (found,) = judge(Budget(**limits), measured(**changes))  # type: ignore[arg-type]
    assert {found.name: found.limit} == limits
    return found


@pytest.mark.parametrize(("limit", "verdict"), [(0.92, PASS), (0.925, PASS), (0.9251, MISSED), (1.0, MISSED)])
def test_accuracy_must_reach_its_limit(limit: float, verdict: Verdict) -> None:
    """A score of 0.925 reaches 0.925 and no more; 360 pictures know it to 88.1..95.4 % (Wilson, by hand)."""
    reason = "known to 88.1–95.4 %"
    assert line({"accuracy": limit}) == Line("accuracy", limit, 0.925, verdict, reason)


@pytest.mark.parametrize(
    ("tested", "limit", "verdict"),
    [(99, 0.9, UNDECIDED), (99, 0.95, UNDECIDED), (99, 0.5, PASS), (99, 0.999, MISSED), (100, 0.9, PASS)],
)
def test_accuracy_on_few_pictures(tested: int, limit: float, verdict: Verdict) -> None:
    """Below 100 pictures a limit inside the interval is undecided, and the reason says so; else the value rules."""
    found = line({"accuracy": limit}, scores=replace(SCORES, tested=tested))
    assert found.verdict is verdict
    assert ("only 99 test pictures" in found.reason) == (verdict is UNDECIDED)


def test_accuracy_that_nobody_scored_is_undecided() -> None:
    """A bundle without a score can neither pass nor miss."""
    assert line({"accuracy": 0.5}, scores=Scores()) == Line("accuracy", 0.5, None, UNDECIDED, "not scored")


def test_accuracy_of_zero_is_a_score() -> None:
    """Nothing right is missed, not undecided."""
    assert line({"accuracy": 0.5}, scores=Scores(accuracy=0.0)).verdict is MISSED


@pytest.mark.parametrize(("limit", "verdict"), [(15_801, PASS), (15_800, PASS), (15_799, MISSED)])
def test_size_must_not_exceed_its_limit(limit: int, verdict: Verdict) -> None:
    """A model of 15,800 bytes fits into 15,800."""
    assert line({"size_bytes": limit}) == Line("size_bytes", limit, 15_800, verdict)


@pytest.mark.parametrize(("limit", "verdict"), [(52_000_000, PASS), (51_999_999, MISSED)])
def test_memory_must_not_exceed_its_limit(limit: int, verdict: Verdict) -> None:
    """A peak of 52 MB fits into 52 MB."""
    assert line({"peak_rss_bytes": limit}) == Line("peak_rss_bytes", limit, 52_000_000, verdict)


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [
        # samples 1, 2, … 100 µs: the median is the 50th; 50 ± 2.5758·√25 spans the 37th to the 64th
        (0.100, PASS),
        (0.064, PASS),
        (0.0639, UNDECIDED),
        (0.050, UNDECIDED),
        (0.037, UNDECIDED),
        (0.0369, MISSED),
        (0.001, MISSED),
    ],
)
def test_latency_is_judged_by_its_interval(limit: float, verdict: Verdict) -> None:
    """Wholly under the limit passes, wholly over it misses, across it is undecided with the bounds told."""
    reason = "between 0.037 and 0.064" if verdict is UNDECIDED else ""
    assert line({"p50_ms": limit}) == Line("p50_ms", limit, 0.050, verdict, reason)


@pytest.mark.parametrize(
    ("name", "few", "needed"),
    [("p50_ms", 7, 8), ("p90_ms", 43, 44), ("p95_ms", 89, 90), ("p99_ms", 458, 459)],  # qⁿ + (1 − q)ⁿ ≤ 0.01
)
def test_too_few_samples_are_undecided(name: str, few: int, needed: int) -> None:
    """A percentile that the samples do not carry is undecided, however fine they are, and says how many it needs."""
    found = line({name: 1.0}, bench=bench((1000,) * few))
    assert found == Line(name, 1.0, None, UNDECIDED, f"{few} samples, {needed} needed")
    assert line({name: 1.0}, bench=bench((1000,) * needed)).verdict is PASS


@pytest.mark.parametrize(
    ("name", "samples", "limit", "verdict", "lower"),
    [
        # 1, 2, … 64 µs: 32 ± 2.5758·√16, the median's interval begins at the 22nd by the exact binomial
        ("p95_ms", 64, 0.0219, MISSED, "p50"),
        ("p95_ms", 64, 0.022, MISSED, "p90"),  # p90 has its 44 samples
        ("p95_ms", 64, 0.064, UNDECIDED, ""),
        ("p95_ms", 40, 0.001, MISSED, "p50"),
        ("p99_ms", 7, 0.0001, UNDECIDED, ""),  # seven carry not even the median
    ],
)
def test_lower_percentile_decides(name: str, samples: int, limit: float, verdict: Verdict, lower: str) -> None:
    """A percentile that samples do not carry is missed where one below it is above its limit for sure."""
    found = line({name: limit}, bench=bench(tuple(range(1000, 1000 * samples + 1, 1000))))
    assert (found.verdict, found.value) == (verdict, None)
    assert found.reason.startswith(f"{lower} alone is" if lower else f"{samples} samples, ")


def test_lower_percentile_on_a_hot_board() -> None:
    """What conditions spoil is undecided in that way too."""
    samples = tuple(range(1000, 41_000, 1000))
    assert line({"p95_ms": 0.001}, bench=bench(samples), warnings=(HOT,)).verdict is UNDECIDED


@pytest.mark.parametrize(
    ("warnings", "limit", "verdict"),
    [
        ((), 0.001, MISSED),
        ((GOVERNOR,), 0.001, MISSED),
        ((HOT,), 0.001, UNDECIDED),
        ((GOVERNOR, HOT), 0.001, UNDECIDED),
        ((HOT,), 0.100, PASS),
        ((HOT,), 0.050, UNDECIDED),
    ],
)
def test_spoilt_latency_cannot_be_missed(warnings: tuple[Warn, ...], limit: float, verdict: Verdict) -> None:
    """A hot board may only be slower than a cool one: what it misses is undecided, what it passes passes."""
    found = line({"p50_ms": limit}, warnings=warnings)
    assert found.verdict is verdict
    assert found.value == 0.050
    if HOT in warnings and limit == 0.001:
        assert found.reason == "85 °C at the end"


def test_spoilt_conditions_spoil_only_latencies() -> None:
    """Size and memory do not depend on the temperature."""
    assert line({"size_bytes": 1}, warnings=(HOT,)).verdict is MISSED
    assert line({"peak_rss_bytes": 1}, warnings=(HOT,)).verdict is MISSED


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [(0.0031, PASS), (0.003, PASS), (0.0025, UNDECIDED), (0.001, UNDECIDED), (0.0009, MISSED)],
)
def test_energy_is_judged_by_its_interval(limit: float, verdict: Verdict) -> None:
    """2 mJ known to lie between 1 and 3 mJ."""
    reason = "between 0.001 and 0.003" if verdict is UNDECIDED else ""
    assert line({"joules_per_inference": limit}) == Line("joules_per_inference", limit, 0.002, verdict, reason)
    assert ENERGY.interval == (0.001, 0.003)


@pytest.mark.parametrize("name", ["p50_ms", "p99_ms", "peak_rss_bytes", "joules_per_inference"])
def test_what_only_a_board_tells_is_undecided_without_one(name: str) -> None:
    """After a build alone, latency, memory and energy are not judged."""
    assert line({name: 1}, bench=None) == Line(name, 1, None, UNDECIDED, "not measured on a board")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (VERIFY, Line("golden_answers", 0.0, 0.0, PASS, "within 0 LSB")),
        (replace(VERIFY, max_lsb=1, tolerance="1 LSB"), Line("golden_answers", 1.0, 1.0, PASS, "within 1 LSB")),
        (replace(VERIFY, ok=False, max_lsb=2), Line("golden_answers", 0.0, 2.0, MISSED, "within 0 LSB")),
        (
            replace(VERIFY, max_lsb=None, max_abs=0.5, ok=False, tolerance="0.01 absolute"),
            Line("golden_answers", 0.01, 0.5, MISSED, "within 0.01 absolute"),
        ),
    ],
)
def test_golden_answers_are_a_line_of_their_own(answer: Any, expected: Line) -> None:
    """Answers that differ miss the budget even of a recipe that sets none."""
    assert judge(Budget(), measured(verify=answer)) == (expected,)


def test_lines_come_in_the_budgets_order() -> None:
    """Every limit that is set is a line, the golden answers last."""
    budget = Budget(accuracy=0.9, size_bytes=20_000, p50_ms=1.0, p99_ms=2.0, joules_per_inference=1.0)
    names = [found.name for found in judge(budget, measured(verify=VERIFY))]
    assert names == ["accuracy", "size_bytes", "p50_ms", "p99_ms", "joules_per_inference", "golden_answers"]


@pytest.mark.parametrize(
    ("verdicts", "whole", "exit_code"),
    [
        ((), PASS, 0),
        ((PASS, PASS), PASS, 0),
        ((PASS, UNDECIDED), UNDECIDED, 4),
        ((UNDECIDED, MISSED, PASS), MISSED, 3),
        ((MISSED,), MISSED, 3),
    ],
)
def test_the_worst_line_decides(verdicts: tuple[Verdict, ...], whole: Verdict, exit_code: int) -> None:
    """Missed before undecided before pass, each with the exit code that the architecture promises."""
    assert overall(tuple(Line("x", 1, 1, verdict) for verdict in verdicts)) is whole
    assert whole.exit_code == exit_code
