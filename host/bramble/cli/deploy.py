"""``bramble deploy``: build if need be, push, verify, make current, measure, judge."""

from __future__ import annotations

from pathlib import Path

import typer

from bramble.cli import options
from bramble.cli.bench import How, checked_measure, measured
from bramble.cli.build import run_recipe
from bramble.cli.known import asked_for
from bramble.cli.screen import show


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
    wait: options.Wait = 0.0,
    canary: options.Canary = 0,
    wave: options.Wave = 0,
    at_once: options.AtOnce = 16,
    sign: options.Sign = None,
    json: options.Json = False,
) -> None:
    """Do it all: build, push, verify, measure, judge.

    Exit code 0 pass, 4 undecided, 3 missed. Of several boards the worst counts, after those 7 rolled back,
    6 incompatible, 5 unreachable or busy, 1 anything else.
    """
    from bramble.fleet.rollout import Waves
    from bramble.pipeline import Options

    path, how = (
        Path(thing),
        How(checked_measure(threads, profile, wait), asked_for(boards), Waves(canary, wave, at_once), sign),
    )
    if _is_bundle(path):
        _refuse_build_options(set_, fresh, strict)
    else:
        path, cached = run_recipe(thing, set_, Options(data, runs, fresh, strict))
        if cached and not json:
            show(f"everything was built before: {path} (--fresh builds anew)")
    measured(path, runs, how, json, switch=True)


def _refuse_build_options(set_: list[str], fresh: bool, strict: bool) -> None:
    """Options of building do nothing to a bundle: say so instead of ignoring them."""
    given = [name for name, on in (("--set", set_), ("--fresh", fresh), ("--strict", strict)) if on]
    if given:
        raise typer.BadParameter("a bundle is built already; give the recipe instead", param_hint=given[0])


def _is_bundle(path: Path) -> bool:
    from bramble.bundle import bundles_in

    if path.suffix in (".zip", ".tflite") or (path / "manifest.json").is_file() or (path / "bundle").is_dir():
        return True
    return path.is_dir() and bool(bundles_in(path))  # the folder of a recipe's runs: to be told which are inside
