"""The papers' table, from the committed results of each seed: mean and spread, and whether the target was reached."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from rows import ROWS, SEEDS, Row

RESULTS = Path(__file__).parent / "results"


def table() -> str:
    """The table as Markdown; rows without results say so."""
    lines = ["| paper | claim | target | ours (mean of seeds, spread) | verdict |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(_line(row) for row in ROWS)])


def _line(row: Row) -> str:
    held = [RESULTS / f"{row.recipe}-seed{seed}.json" for seed in SEEDS]
    reports = [json.loads(path.read_text()) for path in held if path.exists()]
    target = f"≥ {row.times:g}x at ≤ {row.error:g} %"
    start = f"| {row.paper}: {row.recipe} | {row.claim} | {target} |"
    if not reports:
        return f"{start} – | not run yet |"
    errors = [100 * (1 - report["accuracy"]["shipped"]) for report in reports]
    times = min(report["parameters"]["total"] / report["parameters"]["nonzero"] for report in reports)
    mean = statistics.mean(errors)
    ours = f"{times:.1f}x at {mean:.2f} % ({min(errors):.2f} to {max(errors):.2f}, {len(errors)} seeds)"
    reached = mean <= row.error and times >= row.times and len(errors) >= len(SEEDS)
    return f"{start} {ours} | {'reached' if reached else 'missed' if len(errors) >= len(SEEDS) else 'too few seeds'} |"


if __name__ == "__main__":
    print(table())
