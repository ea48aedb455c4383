"""An examination as a person reads it: a row a layer, where predictions turn, what was tried against it."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bramble.report.units import DASH, percent, si

TITLES = ("weights", "dB", "bits", "output dB", "own dB", "range", "clipped", "bits", "so far", "without")
NOTE = """\
dB: signal to rounding noise, 6 dB are one bit; own dB: of rounding the right values by this range alone
bits: information in the integers, of 8; range: what they can hold; clipped: the mass of values beyond it
so far: predictions that stay while all up to this layer is rounded; without: while all but this layer is"""


def render_examined(facts: dict[str, Any]) -> RenderableType:
    """What ``bramble inspect --layers`` shows."""
    table = Table(box=None, padding=(0, 1), show_header=True, header_style="dim")
    table.add_column(" layer", overflow="fold")
    for title in TITLES:
        table.add_column(title, justify="right", no_wrap=True)
    for row in facts["layers"]:
        table.add_row(Text(f" {row['name']}", style="red" if row["dead"] else ""), *_cells(row))
    notes = [Text(f"  {line}", style="dim") for line in NOTE.splitlines()]
    parts: list[RenderableType] = [table, *notes, Text(), _said(facts)]
    if facts["repairs"]:
        parts += [Text(), _tried(facts["repairs"])]
    return Group(*parts)


def _cells(row: dict[str, Any]) -> list[str]:
    held = row["weights"] or {"count": None, "bits": None}
    low, high = row["range"] or (None, None)
    return [
        si(held["count"], "").strip() if row["weights"] else "",
        _db(held["db"]) if row["weights"] else "",
        _bits(held["bits"]) if row["weights"] else "",
        _db(row["db"]),
        _db(row["own_db"]) if row["range"] else "float",
        f"{low:.3g} … {high:.3g}" if row["range"] else f"{row['seen'][0]:.3g} … {row['seen'][1]:.3g}",
        percent(row["clipped"]) if row["clipped"] else "",
        "dead" if row["dead"] else _bits(row["bits"]),
        percent(row["agreement"]),
        percent(row["without"]),
    ]


def _said(facts: dict[str, Any]) -> Text:
    said = f" {percent(facts['agreement'])} of {facts['pictures']:,} predictions are the float model's"
    if facts["first_flip"]:
        said += f"; the first turn behind {facts['first_flip']}"
    if facts["worst"]:
        said += f", most at once behind {facts['worst']}"
    return Text(said)


def _tried(repairs: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 1), show_header=True, header_style="dim")
    for title in (" tried", "agrees", "mended", "broken", "held-out", "file", ""):
        table.add_column(title, justify="left" if title in (" tried", "") else "right")
    for one in repairs:
        name = Text(f" {one['knob']}")
        if one["failed"]:
            table.add_row(name, *[""] * 5, Text(one["failed"], style="dim"))
            continue
        figures = (percent(one["agreement"]), str(one["mended"]), str(one["broken"]), percent(one["accuracy"]))
        helps = Text("helps", style="green") if one["helps"] else Text("within chance", style="dim")
        table.add_row(name, *figures, si(one["model_bytes"], "B"), helps)
    return table


def _db(value: float | None) -> str:
    """Decibels; None is what JSON makes of an exact result."""
    return "exact" if value is None or value == math.inf else f"{value:.1f}"


def _bits(value: float | None) -> str:
    return DASH if value is None else f"{value:.1f}"
