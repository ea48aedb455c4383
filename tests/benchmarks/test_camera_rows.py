"""The camera's table: rows hold or not, parts replace their own rows only, each row says when it was measured."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ORDER = ("speed", "kills")


def row(part: str, name: str, **more: Any) -> dict[str, Any]:
    """A row as it is written down."""
    return {"part": part, "name": name, **more}


@pytest.mark.parametrize(("sense", "holds"), [("≤", (True, True, False)), ("≥", (False, True, True))])
def test_holds(camera: SimpleNamespace, sense: str, holds: tuple[bool, ...]) -> None:
    """Below, at and above the limit."""
    assert tuple(camera.rows.Row("a", value, sense, 2.0, {}).holds for value in (1.0, 2.0, 3.0)) == holds


def test_merged(camera: SimpleNamespace) -> None:
    """A part that was measured anew replaces all its rows, whatever they were called; in the parts' order."""
    old = [row("kills", "lost"), row("speed", "a"), row("speed", "b")]
    assert camera.rows.merged(old, [row("speed", "c")], ORDER) == [row("speed", "c"), row("kills", "lost")]
    assert camera.rows.merged([], [row("kills", "lost"), row("kills", "s")], ORDER) == [
        row("kills", "lost"),
        row("kills", "s"),
    ]


def test_one_part_after_the_other(camera: SimpleNamespace, tmp_path: Path) -> None:
    """Two parts of two days: both are there, each with its own day and load."""
    path = tmp_path / "camera.json"
    for part, day, load in (("kills", "2026-11-23", 4.0), ("speed", "2026-11-24", 0.1)):
        rows = [camera.rows.Row(f"of {part}", 1.0, "≤", 1.0, {"why": Path("a")})]
        camera.rows.write(camera.rows.kept(part, rows, {"date": day, "load": load}), ORDER, path)
    found = json.loads(path.read_text())["rows"]
    assert found == camera.rows.written(path)
    assert [(one["part"], one["date"], one["load"], one["holds"]) for one in found] == [
        ("speed", "2026-11-24", 0.1, True),
        ("kills", "2026-11-23", 4.0, True),
    ]


def test_table(camera: SimpleNamespace) -> None:
    """What was missed is plain to see; numbers as short as they go."""
    rows = [
        *camera.rows.kept("speed", [camera.rows.Row("ratio", 0.94, "≥", 0.95, {})], {"date": "d", "load": 0.42}),
        *camera.rows.kept("kills", [camera.rows.Row("bytes", 1234.5678, "≤", 5_000, {})], {"date": "e", "load": 4}),
    ]
    assert camera.rows.table(rows).splitlines()[2:] == [
        "| ratio | ≥ 0.95 | 0.94 | **missed** | d, 0.4 |",
        "| bytes | ≤ 5,000 | 1,234.568 | reached | e, 4.0 |",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (100.0, "100"),
        (0.5, "0.5"),
        (1e6, "1,000,000"),
        (2.0004, "2"),
        (-0.0, "0"),
        (-1e-4, "0"),
        (-0.5, "-0.5"),
    ],
)
def test_figure(camera: SimpleNamespace, value: float, text: str) -> None:
    """No zeros at the end, but those before the point stay."""
    assert camera.rows.figure(value) == text


def test_conditions(camera: SimpleNamespace) -> None:
    """When, on what, beside how much."""
    found = camera.rows.conditions()
    assert set(found) == {"date", "load", "cores", "machine", "python"}
    assert found["load"] >= 0
