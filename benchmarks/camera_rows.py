"""The rows of the camera's table: what was asked, what came out, and under which conditions; kept part by part.

Parts are measured one at a time, hours or days apart, so each row says when, on what, and beside how much other work.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parent / "results" / "camera.json"


@dataclass(frozen=True)
class Row:
    """One number: what it must be ("≥" or "≤" ``limit``), what it is, and what it was made of."""

    name: str
    value: float
    sense: str
    limit: float
    detail: dict[str, Any]

    @property
    def holds(self) -> bool:
        """Whether the number is what it must be."""
        return self.value >= self.limit if self.sense == "≥" else self.value <= self.limit


def conditions() -> dict[str, Any]:
    """Of a measurement that begins now; ``load`` is how many processes wanted a core in the minute before."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "load": round(os.getloadavg()[0], 2),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def kept(part: str, rows: Iterable[Row], when: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows as they are written down."""
    return [{"part": part, **vars(row), "holds": row.holds, **when} for row in rows]


def merged(old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]], order: Sequence[str]) -> list[dict[str, Any]]:
    """``new`` in place of all ``old`` rows of the same parts; by the parts' ``order``, within one as measured."""
    fresh = {row["part"] for row in new}
    rows = [*(row for row in old if row["part"] not in fresh), *new]
    return sorted(rows, key=lambda row: order.index(row["part"]))


def written(path: Path = RESULT) -> list[dict[str, Any]]:
    """The rows written down so far."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    return found


def write(new: Sequence[dict[str, Any]], order: Sequence[str], path: Path = RESULT) -> None:
    """Write ``new`` rows down, among those that are there."""
    rows = merged(written(path), new, order)
    path.write_text(json.dumps({"rows": rows}, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as a Markdown table."""
    lines = ["| | asked for | measured | | date, load |", "|---|--:|--:|---|---|"]
    for row in rows:
        verdict = "reached" if row["holds"] else "**missed**"
        asked, found = f"{row['sense']} {figure(row['limit'])}", figure(row["value"])
        lines.append(f"| {row['name']} | {asked} | {found} | {verdict} | {row['date']}, {row['load']:.1f} |")
    return "\n".join(lines)


def figure(value: float) -> str:
    """A number with three places at most."""
    return f"{round(value, 3) + 0.0:,.3f}".rstrip("0").rstrip(".")  # + 0.0: never "-0"
