"""Who is paired with whom, what an interval decides, and what is not run yet."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from table_lines import Write, line

T3 = 4.302652729911275  # Student's t for 95 % and three seeds


def test_runs_are_paired_by_the_seed_they_name(papers: SimpleNamespace, write: Write, results: Path) -> None:
    """A file's name may say anything: what counts is the seed inside."""
    write("scope-global-0.08", [100, 200, 300])
    write("scope-local-0.08", [90, 190, 290])
    (results / "scope-local-0.08-seed1.json").rename(results / "scope-local-0.08-seed9.json")
    found = papers.stats.less_error([("scope-local-0.08", "scope-global-0.08")])
    assert found.mean == pytest.approx(0.1)
    assert found.high - found.low < 0.06


def test_interval_is_students(papers: SimpleNamespace) -> None:
    """Mean 2, standard deviation 1, three values: 2 ± t/√3."""
    found = papers.stats.interval([1.0, 2.0, 3.0], 0.01)
    assert (found.mean, found.high - found.mean) == pytest.approx((2.0, T3 / math.sqrt(3)))


@pytest.mark.parametrize(("pictures", "verdict"), [(1, "not shown"), (2, "not shown"), (3, "holds"), (-3, "refuted")])
def test_equal_differences_have_an_interval_of_one_picture(
    papers: SimpleNamespace, write: Write, pictures: int, verdict: str
) -> None:
    """With a standard deviation of one picture the half width is t/√3 = 2.5 pictures."""
    write("scope-global-0.08", [150, 160, 170])
    write("scope-local-0.08", [150 - pictures, 160 - pictures, 170 - pictures])
    found = line(papers.claims.scopes(), "12.5x")
    assert found.verdict == verdict


@pytest.mark.parametrize("missing", ["scope-global-0.08", "scope-local-0.08"])
def test_a_seed_that_is_missing_is_waited_for(
    papers: SimpleNamespace, write: Write, results: Path, missing: str
) -> None:
    """Two seeds of three say nothing."""
    write("scope-global-0.08", [150, 160, 170])
    write("scope-local-0.08", [100, 100, 100])
    (results / f"{missing}-seed2.json").unlink()
    assert line(papers.claims.scopes(), "12.5x").verdict == "not run yet"


def test_an_experiments_own_seeds_are_demanded(papers: SimpleNamespace, write: Write) -> None:
    """The assistant's experiments have six."""
    for arm in ("chain", "teacher", "none"):
        write(f"assistant-{arm}", [100, 110, 120, 130, 140])
    assert {one.verdict for one in papers.claims.assistant()} == {"not run yet"}
    for arm, wrong in (("chain", 100), ("teacher", 200), ("none", 300)):
        write(f"assistant-{arm}", [wrong + seed for seed in range(6)])
    assert {one.verdict for one in papers.claims.assistant()} == {"holds"}


@pytest.mark.parametrize(
    ("wrong", "verdict"),
    [([100, 101, 102], "reached"), ([10, 110, 170], "not shown"), ([140, 141, 142], "missed")],
)
def test_so_many_points_are_judged_by_the_whole_interval(
    papers: SimpleNamespace, write: Write, wrong: list[int], verdict: str
) -> None:
    """Differences of half a point, of 0.53 on average but with a wide interval, and of a tenth, where 0.3 is asked."""
    write("allocated-local", [150, 150, 150])
    write("allocated-sensitivity", wrong)
    found = papers.claims.allocation()
    assert (found.verdict, "0.3" in found.target) == (verdict, True)


@pytest.mark.parametrize(("more", "verdict"), [(10, "holds"), (18, "not shown"), (30, "refuted")])
def test_no_worse_has_a_margin(papers: SimpleNamespace, write: Write, more: int, verdict: str) -> None:
    """At most 0.2 point worse, the interval's ± 0.025 included."""
    write("one-shot-obd", [200, 210, 220])
    write("one-shot-obs", [200 + more, 210 + more, 220 + more])
    found = line(papers.claims.surgeon(), "OBS")
    assert (found.verdict, "0.2 point" in found.target) == (verdict, True)
