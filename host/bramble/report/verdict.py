"""The budget as a judgement: each line pass, missed or undecided, with the value and the reason.

A latency is judged by its 99 % order-statistic interval: wholly under the limit passes, wholly over it misses, across
it is undecided; so is one that too few samples carry, or that conditions spoil (unless it passes even so). As no
percentile is below a lower one, it misses too where the interval of a lower one is wholly over its limit. An energy is
judged by its interval likewise. An accuracy is judged by its value; on fewer than ``FEW`` test pictures it is undecided
where Wilson's 99 % interval has the limit inside. Exit codes: pass 0, missed 3, undecided 4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from bramble.report.conditions import Warn
from bramble_agent.timing import Z99, interval, needed, percentile
from bramble_agent.wire import BenchAnswer, Budget, Scores, VerifyAnswer

LOWER = (0.5, 0.9, 0.95)  # percentiles that speak for a higher one
FEW = 100  # test pictures below which a value alone does not decide an accuracy


class Verdict(StrEnum):
    """The judgement of a line, and of a whole report."""

    PASS = "pass"  # noqa: S105 - not a password
    MISSED = "missed"
    UNDECIDED = "undecided"

    @property
    def exit_code(self) -> int:
        """The command's exit code."""
        return {Verdict.PASS: 0, Verdict.MISSED: 3, Verdict.UNDECIDED: 4}[self]


@dataclass(frozen=True)
class Line:
    """One line of the budget. ``value`` and ``limit`` are in the unit of ``name``; None where nothing was measured."""

    name: str
    limit: float
    value: float | None
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class Measured:
    """What there is to judge; ``bench`` and ``verify`` are None for a model that has not been on a board."""

    scores: Scores
    model_bytes: int
    verify: VerifyAnswer | None
    bench: BenchAnswer | None
    warnings: tuple[Warn, ...]


def judge(budget: Budget, measured: Measured) -> tuple[Line, ...]:
    """A line for each limit of the budget, and one for the golden answers if they were checked."""
    limits = {field.name: getattr(budget, field.name) for field in fields(budget)}
    lines = [_line(name, limit, measured) for name, limit in limits.items() if limit is not None]
    answers = measured.verify
    if answers is not None:
        value = float(answers.max_abs if answers.max_lsb is None else answers.max_lsb)
        verdict = Verdict.PASS if answers.ok else Verdict.MISSED
        lines.append(Line("golden_answers", _allowed(answers), value, verdict, f"within {answers.tolerance}"))
    return tuple(lines)


def overall(lines: tuple[Line, ...]) -> Verdict:
    """Missed if any line is, else undecided if any is, else pass."""
    found = {line.verdict for line in lines}
    return next((verdict for verdict in (Verdict.MISSED, Verdict.UNDECIDED) if verdict in found), Verdict.PASS)


def _line(name: str, limit: float, measured: Measured) -> Line:
    bench = measured.bench
    if name == "accuracy":
        return _accuracy(name, limit, measured.scores)
    if name == "size_bytes":
        return _simple(name, limit, measured.model_bytes, measured.model_bytes <= limit, "")
    if bench is None:
        return Line(name, limit, None, Verdict.UNDECIDED, "not measured on a board")
    if name == "peak_rss_bytes":
        return _simple(name, limit, bench.peak_rss_bytes, bench.peak_rss_bytes <= limit, "")
    if name == "joules_per_inference":
        energy = bench.energy
        return _between(name, limit, energy.joules_per_inference, (energy.interval[0], energy.interval[1]))
    return _latency(name, limit, bench, measured.warnings)


def _allowed(answers: VerifyAnswer) -> float:
    """How far a golden answer may be off: what ``tolerance`` begins with ("1 LSB", "0.0003 absolute")."""
    return float(answers.tolerance.split()[0])


def wilson(share: float, tested: int) -> tuple[float, float]:
    """The 99 % interval of a share that ``tested`` trials told (Wilson 1927)."""
    z2 = Z99**2 / tested
    middle = (share + z2 / 2) / (1 + z2)
    spread = Z99 / (1 + z2) * math.sqrt(share * (1 - share) / tested + z2 / (4 * tested))
    return middle - spread, middle + spread


def _accuracy(name: str, limit: float, scores: Scores) -> Line:
    value, tested = scores.accuracy, scores.tested
    line = _simple(name, limit, value, value is not None and value >= limit, "not scored")
    if value is None or not tested:
        return line
    low, high = wilson(value, tested)
    known = f"known to {low * 100:.1f}–{high * 100:.1f} %"
    if tested < FEW and low < limit <= high:
        return replace(line, verdict=Verdict.UNDECIDED, reason=f"{known}: only {tested} test pictures")
    return replace(line, reason=known)


def _simple(name: str, limit: float, value: float | None, passes: bool, absent: str) -> Line:
    if value is None:
        return Line(name, limit, None, Verdict.UNDECIDED, absent)
    return Line(name, limit, value, Verdict.PASS if passes else Verdict.MISSED)


def _between(name: str, limit: float, value: float, bounds: tuple[float, float]) -> Line:
    low, high = bounds
    if high <= limit:
        return Line(name, limit, value, Verdict.PASS)
    if low > limit:
        return Line(name, limit, value, Verdict.MISSED)
    return Line(name, limit, value, Verdict.UNDECIDED, f"between {low:.4g} and {high:.4g}")


def _latency(name: str, limit_ms: float, bench: BenchAnswer, warnings: tuple[Warn, ...]) -> Line:
    q = float(name[1:].removesuffix("_ms")) / 100.0
    value, bounds = percentile(bench.samples_ns, q), interval(bench.samples_ns, q)
    if value is None or bounds is None:
        line = _by_lower(name, limit_ms, bench.samples_ns, q)
    else:
        line = _between(name, limit_ms, value / 1e6, (bounds[0] / 1e6, bounds[1] / 1e6))
    spoilt = next((warn for warn in warnings if warn.spoils), None)
    if spoilt and line.verdict is Verdict.MISSED:
        return Line(name, limit_ms, line.value, Verdict.UNDECIDED, spoilt.message)
    return line


def _by_lower(name: str, limit_ms: float, samples_ns: Sequence[int], q: float) -> Line:
    """The line of a percentile that has too few samples: missed where one below it is above its limit already."""
    reason = f"{len(samples_ns)} samples, {needed(q)} needed"
    for lower in (one for one in LOWER if one < q):
        bounds = interval(samples_ns, lower)
        if bounds and bounds[0] / 1e6 > limit_ms:
            told = f"p{lower * 100:.0f} alone is {bounds[0] / 1e6:.4g} ms or more ({reason})"
            return Line(name, limit_ms, None, Verdict.MISSED, told)
    return Line(name, limit_ms, None, Verdict.UNDECIDED, reason)
