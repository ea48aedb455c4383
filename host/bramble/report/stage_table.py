"""What each stage of a run left of the model, and how many times less that is than after the first stage.

Until quantize the file is the model's plain float32 .tflite, then the one that ships. Deflated is its size in a
bundle's .zip: zeros and repeated values show there, and not in the file's own size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bramble.report.fitting import Fitting
from bramble.report.units import DASH, percent, si

NOTE = "file: float32 .tflite until quantize; deflated: as in the bundle's .zip"


@dataclass(frozen=True)
class Cell:
    """A figure after a stage; ``times`` less than after the first one ("21.7x"), empty where that says nothing."""

    shown: str
    times: str


@dataclass(frozen=True)
class Row:
    """A stage with its cells, in the order of ``COLUMNS``."""

    name: str
    cells: tuple[Cell, ...]


def _count(value: int) -> str:
    return f"{value:,}"


def _bytes(value: int) -> str:
    return si(value, "B")


COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {  # a fact's title, and how it is shown
    "nonzero": ("non-zero", _count),
    "parameters": ("parameters", _count),
    "macs": ("MACs", _count),
    "accuracy": ("held-out", percent),
    "model_bytes": ("file", _bytes),
    "packed_bytes": ("deflated", _bytes),
}
TITLES = tuple(title for title, _ in COLUMNS.values())


def stage_rows(stages: Sequence[dict[str, Any]]) -> list[Row]:
    """A row a stage; a dash for what the facts of an older run do not say."""
    return [
        Row(f"{number} {stage['name']}", tuple(_cell(name, stage, stages[0]) for name in COLUMNS))
        for number, stage in enumerate(stages, 1)
    ]


def render_stages(stages: Sequence[dict[str, Any]]) -> RenderableType:
    """The rows for a terminal: a table, or on a narrow one a block a stage."""
    rows = stage_rows(stages)
    return Group(Fitting(_table(rows), _blocks(rows)), Text(f"  {NOTE}", style="dim"))


def _cell(name: str, stage: dict[str, Any], first: dict[str, Any]) -> Cell:
    value, before = stage.get(name), first.get(name)
    if value is None:
        return Cell(DASH, "")
    compared = name != "accuracy" and before and value
    return Cell(COLUMNS[name][1](value), _times(before / value) if compared else "")


def _times(ratio: float) -> str:
    shown = f"{ratio:.0f}x" if ratio >= 99.95 else f"{ratio:.1f}x"
    return "" if shown == "1.0x" else shown


def _table(rows: Sequence[Row]) -> Table:
    """Each ratio stands below its figure: so the table fits into 80 columns."""
    table = Table(box=None, padding=(0, 1), show_header=True, header_style="dim")
    table.add_column(" after stage")
    for title in TITLES:
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        shown = [Text.assemble(cell.shown, (f"\n{cell.times}" if cell.times else "", "dim")) for cell in row.cells]
        table.add_row(Text(f" {row.name}"), *shown)
    return table


def _blocks(rows: Sequence[Row]) -> Table:
    table = Table(box=None, padding=(0, 1), show_header=False)
    for justify in ("left", "right", "right"):
        table.add_column(justify=justify)
    for row in rows:
        table.add_row(Text(f" {row.name}", style="bold"), "", "")
        for title, cell in zip(TITLES, row.cells, strict=True):
            table.add_row(Text(f"   {title}", style="dim"), cell.shown, Text(cell.times, style="dim"))
    return table
