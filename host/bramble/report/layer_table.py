"""Han's table of layers as a person reads it: what is kept of each, and the work left."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bramble.report.units import si

SHARES = ("active", "kept", "flop_left")
TITLES = ("weights", "FLOP", "act %", "weights %", "FLOP %")
NOTE = "FLOP %: work left where zero weights and zero inputs are skipped"


def layer_cells(layers: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row a layer and one for the total: the name, then what ``TITLES`` say."""
    rows = [*layers["rows"], {"name": "total", **layers["total"]}]
    return [
        (row["name"], _count(row["weights"]), _count(row["flop"]), *(_share(row[name]) for name in SHARES))
        for row in rows
    ]


def render_layers(layers: dict[str, Any]) -> RenderableType:
    """The rows for a terminal."""
    table = Table(box=None, padding=(0, 1), show_header=True, header_style="dim")
    table.add_column(" layer", overflow="fold")
    for title in TITLES:
        table.add_column(title, justify="right", no_wrap=True)
    *rows, total = layer_cells(layers)
    for name, *cells in rows:
        table.add_row(Text(f" {name}"), *cells)
    table.add_row(Text(f" {total[0]}"), *total[1:], style="bold")
    return Group(table, *(Text(f"  {line}", style="dim") for line in note(layers).splitlines()))


def note(layers: dict[str, Any]) -> str:
    """What the columns say, and over how many pictures."""
    return f"act %: non-zero values handed on, over {layers['pictures']:,} held-out pictures\n{NOTE}"


def _count(value: int) -> str:
    return str(value) if value < 1_000 else si(value, "")


def _share(share: float) -> str:
    return f"{share * 100:.1f}"
