"""``bramble deploy``, ``push``, ``verify`` and ``bench``: a bundle on boards, and what they say about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bramble.cli import options
from bramble.cli.build import run_recipe
from bramble.cli.known import asked_for
from bramble.cli.screen import show, show_json, watching

if TYPE_CHECKING:
    from bramble.deploy import Measure
    from bramble.fleet.push import How, Pushed
    from bramble.fleet.types import Board


@dataclass(frozen=True)
class _How:
    """How to measure, and on which boards."""

    measure: Measure
    boards: tuple[Board, ...]


def deploy(
    thing: options.Thing,
    boards: options.Boards = None,
    set_: options.Set = [],  # noqa: B006 - typer copies it
    data: options.DataDir = None,
    runs: options.Runs = Path("runs"),
    fresh: options.Fresh = False,
    strict: options.Strict = False,
    threads: options.Threads = 1,
    profile: options.Profile = "standard",
    json: options.Json = False,
) -> None:
    """Do it all: build, push, verify, measure, judge."""
    from bramble.pipeline import Options

    path, how = Path(thing), _how(threads, profile, boards)
    if _is_bundle(path):
        _refuse_build_options(set_, fresh, strict)
    else:
        path, cached = run_recipe(thing, set_, Options(data, runs, fresh, strict))
        if cached and not json:
            show(f"everything was built before: {path} (--fresh builds anew)")
    _measure(path, runs, how, json)


def bench(
    bundle: options.BundlePath,
    boards: options.Boards = None,
    runs: options.Runs = Path("runs"),
    threads: options.Threads = 1,
    profile: options.Profile = "standard",
    json: options.Json = False,
) -> None:
    """Measure latency, memory and energy on boards."""
    _measure(bundle, runs, _how(threads, profile, boards), json, switch=False)


def push(bundle: options.BundlePath, boards: options.Boards = None, json: options.Json = False) -> None:
    """Put a bundle on boards and make it current.

    Only where it gives the golden answers; exit code 3 where it does not.
    """
    from bramble.fleet.push import How

    done = _brought(bundle, boards, How())
    if json:
        rows = ((name, one.release, one.sent_bytes, one.verify.ok) for name, one in done.items())
        show_json({name: {"release": path, "sent_bytes": sent, "current": ok} for name, path, sent, ok in rows})
    for name, one in {} if json else done.items():
        sent = f"{one.sent_bytes:,} bytes sent" if one.sent_bytes else "was there already"
        state = "is current" if one.verify.ok else "does NOT give the golden answers, not made current"
        show(f"{name}: {one.release} {state} ({sent})")
    _exit_on_difference(done)


def verify(
    bundle: options.BundlePath,
    boards: options.Boards = None,
    threads: options.Threads = 1,
    json: options.Json = False,
) -> None:
    """Check that boards give the golden answers.

    Exit code 3 where one does not.
    """
    from bramble.fleet.push import How
    from bramble_agent.codec import encode

    done = _brought(bundle, boards, How(switch=False, threads=threads, again=True))
    if json:
        show_json({name: encode(one.verify) for name, one in done.items()})
    for name, one in {} if json else done.items():
        answer = one.verify
        off = f"{answer.max_lsb} LSB" if answer.max_lsb is not None else f"{answer.max_abs:.3g}"
        word = "agrees" if answer.ok else "DIFFERS"
        show(f"{name}: {word}, {answer.checked} answers, off by {off} at most ({answer.tolerance} allowed)")
    _exit_on_difference(done)


def _brought(bundle: Path, boards: list[str] | None, how: How) -> dict[str, Pushed]:
    """The bundle on each board, its answers checked there."""
    from bramble.bundle import find_bundle, load_bundle
    from bramble.deploy import bring
    from bramble.fleet.connect import connect

    checked = load_bundle(find_bundle(bundle))
    done: dict[str, Pushed] = {}
    for board in asked_for(boards).boards:
        with connect(board) as connection:
            done[board.name] = bring(connection, board, checked, how, lambda event: None)
    return done


def _exit_on_difference(done: dict[str, Pushed]) -> None:
    if not all(one.verify.ok for one in done.values()):
        raise typer.Exit(3)


def _measure(path: Path, runs: Path, how: _How, json: bool, switch: bool = True) -> None:
    from bramble.bundle import find_bundle, load_bundle
    from bramble.deploy import deploy as deploy_to
    from bramble.deploy import measure
    from bramble.report.facts import make_report
    from bramble.report.files import write_report

    place = find_bundle(path)
    bundle = load_bundle(place)
    built = _built_facts(place, bundle.digest)
    reports = []
    for board in how.boards:
        with watching() as on_event:
            on_board = (deploy_to if switch else measure)(bundle, board, how.measure, on_event)
            report = make_report(bundle, built, on_board)
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
            page = write_report(runs / bundle.manifest.name / "reports" / f"{stamp}-{board.name}", report)
        reports.append(report)
        if not json:
            _show_report(report, page)
    if json:
        show_json(reports[0] if len(reports) == 1 else reports)
    _exit(reports)


def _show_report(report: dict[str, Any], page: Path) -> None:
    from bramble.report.table import render

    show(render(report))
    show(f"\nreport  {page}")


def _exit(reports: list[dict[str, Any]]) -> None:
    """Exit with the worst verdict's code: missed before undecided before pass."""
    from bramble.report.verdict import Verdict

    found = {report["verdict"] for report in reports}
    for verdict in (Verdict.MISSED, Verdict.UNDECIDED):
        if verdict in found:
            raise typer.Exit(verdict.exit_code)


def _refuse_build_options(set_: list[str], fresh: bool, strict: bool) -> None:
    """Options of building do nothing to a bundle: say so instead of ignoring them."""
    given = [name for name, on in (("--set", set_), ("--fresh", fresh), ("--strict", strict)) if on]
    if given:
        raise typer.BadParameter("a bundle is built already; give the recipe instead", param_hint=given[0])


def _is_bundle(path: Path) -> bool:
    return path.suffix == ".zip" or (path / "manifest.json").is_file() or (path / "bundle").is_dir()


def _how(threads: int, profile: str, boards: list[str] | None) -> _How:
    """Check how and where to measure, before anything is built."""
    from bramble.deploy import PROFILES, Measure

    if profile not in PROFILES:
        raise typer.BadParameter(f"{profile!r} is not one of {', '.join(PROFILES)}", param_hint="--profile")
    return _How(Measure(profile, threads), asked_for(boards).boards)


def _built_facts(place: Path, digest: str) -> dict[str, Any]:
    """The facts of the run that made this bundle, if it still lies in its run's folder."""
    import json

    try:
        facts: dict[str, Any] = json.loads((place.parent / "artifact.json").read_text())["facts"]
    except (OSError, ValueError, KeyError):
        return {}
    return facts if facts.get("bundle") == digest else {}
