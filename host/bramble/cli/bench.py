"""``bramble bench``: a bundle measured on boards, with a report for each; ``deploy`` does it after switching to it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bramble.cli import options
from bramble.cli.known import Asked, asked_for
from bramble.cli.one import Show, at_work
from bramble.cli.screen import show, show_json

if TYPE_CHECKING:
    from bramble.cli.many import Telling
    from bramble.deploy import Measure
    from bramble.events import OnEvent
    from bramble.fleet.rollout import Job, Waves
    from bramble.fleet.types import Board


@dataclass(frozen=True)
class How:
    """How to measure, on which boards, in which waves."""

    measure: Measure
    asked: Asked
    waves: Waves
    sign: Path | None = None


@dataclass(frozen=True)
class Reported:
    """A board's report, the page that shows it, and what was sent for it."""

    report: dict[str, Any]
    page: Path
    sent_bytes: int


def bench(
    bundle: options.BundlePath,
    boards: options.Boards = None,
    runs: options.Runs = Path("runs"),
    threads: options.Threads = 1,
    profile: options.Profile = "standard",
    wait: options.Wait = 0.0,
    canary: options.Canary = 0,
    wave: options.Wave = 0,
    at_once: options.AtOnce = 16,
    sign: options.Sign = None,
    json: options.Json = False,
) -> None:
    """Measure latency, memory and energy on boards.

    Exit code 0 pass, 4 undecided, 3 missed. Of several boards the worst counts, after those 7 rolled back,
    6 incompatible, 5 unreachable or busy, 1 anything else.
    """
    from bramble.fleet.rollout import Waves

    how = How(checked_measure(threads, profile, wait), asked_for(boards), Waves(canary, wave, at_once), sign)
    measured(bundle, runs, how, json, switch=False)


def checked_measure(threads: int, profile: str, wait_s: float) -> Measure:
    """How to measure; a profile that is none is a usage error."""
    from bramble.deploy import PROFILES, Measure

    if profile not in PROFILES:
        raise typer.BadParameter(f"{profile!r} is not one of {', '.join(PROFILES)}", param_hint="--profile")
    return Measure(profile, threads, wait_s)


def measured(path: Path, runs: Path, how: How, json: bool, switch: bool) -> None:
    """Measure the bundle at ``path``, write the reports, show them, and exit with their verdict."""
    job = _job(path, runs, how, switch)
    if how.asked.many:
        _on_many(job, how, json)
    (board,) = how.asked.boards
    with at_work(board.name, Show(quiet=json, switches=switch)) as on_event:
        one = job(board, on_event)
    if json:
        show_json(one.report)
    else:
        from bramble.bundle import find_bundle
        from bramble.report.table import render

        show(render(one.report))
        show(f"\nbundle  {find_bundle(path)}\nreport  {one.page}")
    raise typer.Exit(_verdict(one).exit_code)


def _job(path: Path, runs: Path, how: How, switch: bool) -> Job[Reported]:
    """What is done on one board. Reports are written by one thread at a time: matplotlib's settings are global."""
    from bramble.bundle import find_bundle, load_bundle
    from bramble.deploy import deploy, measure
    from bramble.events import Step
    from bramble.fleet.release.signing import signed
    from bramble.report.facts import make_report
    from bramble.report.files import write_report

    place = find_bundle(path)
    bundle = load_bundle(place)
    measuring = replace(how.measure, signature=signed(bundle, how.sign))
    built, alone = _built_facts(place, bundle.digest), threading.Lock()

    def job(board: Board, on_event: OnEvent) -> Reported:
        said = (deploy if switch else measure)(bundle, board, measuring, on_event)
        on_event(Step("reporting"))
        with alone:
            report = make_report(bundle, built, said)
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
            page = write_report(runs / bundle.manifest.name / "reports" / f"{stamp}-{board.name}", report)
        return Reported(report, page, said.sent_bytes)

    return job


def _on_many(job: Job[Reported], how: How, json: bool) -> None:
    """Measure on all boards, show the table and where the reports are."""
    from bramble.cli.many import on_many

    pages = []

    def remembering(board: Board, on_event: OnEvent) -> Reported:
        one = job(board, on_event)
        pages.append(one.page)
        return one

    code = on_many(how.asked.boards, remembering, _telling(), how.waves, json)
    if pages and not json:
        show(f"\nreports  {pages[0].parent.parent}")
    raise typer.Exit(code)


def _telling() -> Telling[Reported]:
    from bramble.cli.many import Telling
    from bramble.report.units import milliseconds

    return Telling(
        titles=("release", "sent", "p50", "p95", "verdict"),
        cells=_cells,
        state=lambda one: (_verdict(one), f"done {milliseconds(one.report['latency']['p50_ms'])} p50"),
        value=lambda one: one.report,
        wrong=_wrong,
        listed=True,
    )


def _cells(one: Reported) -> tuple[str, ...]:
    from bramble.report.units import milliseconds, si

    latency = one.report["latency"]
    figures = (milliseconds(latency[name]) for name in ("p50_ms", "p95_ms"))
    return one.report["bundle"][:12], si(one.sent_bytes, "B"), *figures, _judged(one.report)


def _verdict(one: Reported) -> Any:
    from bramble.report.verdict import Verdict

    return Verdict(one.report["verdict"])


def _wrong(one: Reported) -> str:
    """What keeps other boards from following: answers that differ, a budget that is missed."""
    return _judged(one.report) if one.report["verdict"] == "missed" else ""


def _judged(report: dict[str, Any]) -> str:
    """The verdict, and the line of the budget that decided it: "missed: p95 8.20 ms (≤ 5.00 ms)"."""
    from bramble.report.units import budget_name, budget_sign, budget_value

    verdict = report["verdict"]
    line = next((line for line in report["budget"] if line["verdict"] == verdict), None)
    if verdict == "pass" or line is None:
        return str(verdict)
    name = line["name"]
    if name == "golden_answers":
        return f"{verdict}: golden answers differ"
    value, limit = budget_value(name, line["value"]), budget_value(name, line["limit"])
    return f"{verdict}: {budget_name(name).removesuffix(' latency')} {value} ({budget_sign(name)} {limit})"


def _built_facts(place: Path, digest: str) -> dict[str, Any]:
    """The facts of the run that made this bundle, if it still lies in its run's folder."""
    import json

    try:
        facts: dict[str, Any] = json.loads((place.parent / "artifact.json").read_text())["facts"]
    except (OSError, ValueError, KeyError):
        return {}
    return facts if facts.get("bundle") == digest else {}
