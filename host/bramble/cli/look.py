"""Verbs that look: ``models``, ``data``, ``inspect``, ``report``, ``check``, ``schema``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bramble.cli import options
from bramble.cli.screen import show, show_json

ReportPath = Annotated[Path, typer.Argument(help="A report.json, or the folder it is in.")]


def models(json: options.Json = False) -> None:
    """List the recipes that come with Bramble."""
    from bramble.reading import read_recipe, zoo_recipes

    known = {name: read_recipe(name).recipe for name in sorted(zoo_recipes())}
    if json:
        show_json({name: recipe.model_dump(mode="json") for name, recipe in known.items()})
        return
    from rich.table import Table

    table = Table("recipe", "data", "model", "stages", "budget", box=None)
    for name, recipe in known.items():
        limits = {key: value for key, value in recipe.budget.model_dump().items() if value is not None}
        budget = ", ".join(f"{key} {value:,}" for key, value in limits.items())
        origin = str(recipe.model.build or recipe.model.keras).removeprefix("bramble_zoo.").removesuffix(":build")
        table.add_row(name, recipe.data.name, origin, " → ".join(stage.do for stage in recipe.stage), budget)
    show(table)


def data(folder: options.DataDir = None, json: options.Json = False) -> None:
    """Say which data sets are at hand."""
    from bramble.datasets import open_source
    from bramble.errors import DataError
    from bramble.recipe import Data

    found: dict[str, str] = {}
    for name in ("digits", "mnist", "fashion_mnist", "cifar10"):
        try:
            open_source(Data(name=name), Path(), folder, False, lambda _: None)
        except DataError as error:
            found[name] = f"not here: {error.message}"
        else:
            found[name] = "comes with scikit-learn" if name == "digits" else _where(name, folder)
    found["folder"] = "your own pictures: [data] path = …, one sub-folder a class"
    if json:
        show_json(found)
        return
    for name, where in found.items():
        show(f"{name:14} {where}")


def report(
    path: ReportPath,
    layers: Annotated[bool, typer.Option("--layers", help="Show what is left of each layer instead.")] = False,
    json: options.Json = False,
) -> None:
    """Show a report again, and write its page anew beside it."""
    from bramble.report.files import read_report, write_page
    from bramble.report.table import render

    held = read_report(path)
    if layers:
        _show_layers(held, json)
        return
    if json:
        show_json(held)
        return
    page = write_page((path / "report.json" if path.is_dir() else path).with_suffix(".html"), held)
    show(render(held))
    show(f"\nreport  {page}")


def _show_layers(held: dict[str, Any], json: bool) -> None:
    """The table of layers alone. Raises UsageError for a report without one."""
    from bramble.errors import UsageError
    from bramble.report.layer_table import render_layers

    found = held.get("layers")
    if not found:
        raise UsageError(
            "this report has no table of layers: its bundle comes from elsewhere or from an earlier Bramble, "
            "or its model is no plain graph",
            "build the recipe again and give that run's folder",
        )
    if json:
        show_json(found)
    else:
        show(render_layers(found))


def check(path: ReportPath, json: options.Json = False) -> None:
    """Turn a report's verdict into an exit code.

    0 pass, 3 missed, 4 undecided.
    """
    from bramble.report.files import read_report
    from bramble.report.verdict import Verdict

    held = read_report(path)
    verdict = Verdict(held["verdict"])
    if json:
        show_json({"verdict": verdict.value, "budget": held["budget"]})
    else:
        show(verdict.value)
    raise typer.Exit(verdict.exit_code)


def schema() -> None:
    """Print the JSON Schema of recipes, for editors."""
    from bramble.reading import recipe_schema

    show_json(recipe_schema())


def _where(name: str, folder: Path | None) -> str:
    return f"in {folder}" if folder else "downloaded by Keras when first used"
