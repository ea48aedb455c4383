"""``bramble build``: run a recipe's stages and write its bundle and report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from bramble.cli import options
from bramble.cli.screen import show, show_json, watching


def build(
    recipe: options.Recipe,
    set_: options.Set = [],  # noqa: B006 - typer copies it
    data: options.DataDir = None,
    runs: options.Runs = Path("runs"),
    fresh: options.Fresh = False,
    strict: options.Strict = False,
    json: options.Json = False,
) -> None:
    """Train, compress and quantize as a recipe says.

    What was done before is not done again.
    """
    from bramble.pipeline import Options
    from bramble.report.files import read_report
    from bramble.report.table import render
    from bramble.report.verdict import Verdict

    folder, _ = run_recipe(recipe, set_, Options(data, runs, fresh, strict))
    report = read_report(folder)
    if json:
        show_json(report)
    else:
        show(render(report))
        show(f"\nreport  {folder / 'report.html'}\nbundle  {folder / 'bundle.zip'}")
    if report["verdict"] == Verdict.MISSED:
        raise typer.Exit(Verdict.MISSED.exit_code)


def run_recipe(recipe: str, overrides: list[str], how: Any) -> tuple[Path, bool]:
    """Run a recipe, write its report; returns the run's folder and whether all was cached."""
    from bramble.bundle import load_bundle
    from bramble.pipeline import build as run
    from bramble.reading import read_recipe
    from bramble.report.facts import make_report
    from bramble.report.files import write_report

    read = read_recipe(recipe, overrides)
    with watching() as on_event:
        built = run(read, how, on_event)
        if not (built.cached and (built.folder / "report.html").exists()):
            write_report(built.folder, make_report(load_bundle(built.folder / "bundle"), built.facts, None))
    return built.folder, built.cached
