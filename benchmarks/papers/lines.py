"""A line of the papers' table and how its verdict is reached."""

from __future__ import annotations

from dataclasses import dataclass

from stats import Interval


@dataclass(frozen=True)
class Claim:
    """A line of the table.

    A target is reached or missed; a paper's claim holds or is refuted. Where an interval decides and the bar lies
    inside it, the verdict is "not shown" for either.
    """

    paper: str
    claim: str
    target: str
    ours: str
    verdict: str


def not_run(paper: str, claim: str, target: str) -> Claim:
    """A line whose results are not all there yet."""
    return Claim(paper, claim, target, "–", "not run yet")


def judged(reached: bool) -> str:
    """The verdict on a target that one figure decides."""
    return "reached" if reached else "missed"


def difference(paper: str, claim: str, found: Interval | None) -> Claim:
    """A line for points of error saved: the claim holds if the whole interval is above 0."""
    word = "not shown" if found is None else above(found, 0.0)
    return _points(paper, claim, "an interval above 0", found, word)


def no_worse(paper: str, claim: str, found: Interval | None, margin: float) -> Claim:
    """Non-inferiority: holds if the whole interval is above minus ``margin`` points."""
    word = "not shown" if found is None else above(found, -margin)
    return _points(paper, claim, f"at most {margin:g} point worse: an interval above −{margin:g}", found, word)


def at_least(paper: str, claim: str, found: Interval | None, least: float) -> Claim:
    """A target of so many points saved: reached if the whole interval is at ``least`` or above."""
    words = {"holds": "reached", "refuted": "missed", "not shown": "not shown"}
    word = "not shown" if found is None else words[above(found, least)]
    return _points(paper, claim, f"≥ {least:g} point: an interval from there up", found, word)


def above(found: Interval, bar: float) -> str:
    """Whether an interval lies above a bar (or on it, unless the bar is 0: "better" is more than equal)."""
    if found.low > bar or found.low == bar != 0:
        return "holds"
    return "refuted" if found.high < bar else "not shown"


def _points(paper: str, claim: str, target: str, found: Interval | None, word: str) -> Claim:
    return not_run(paper, claim, target) if found is None else Claim(paper, claim, target, f"{found} points", word)
