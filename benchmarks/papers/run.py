"""Run rows of the papers' table, one seed after the other; what is finished is not run again.

    python benchmarks/papers/run.py [ROW …]

Choices are made on 5,000 held-out training pictures; the test set is read once, by the last step of each run, from the
int8 file through the interpreter. Each seed's result goes to results/<row>-seed<n>.json as soon as it is there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rows import ROWS, SEEDS

HERE = Path(__file__).parent
RESULTS = HERE / "results"
KEPT = ("recipe", "recipe_table", "bundle", "accuracy", "size", "parameters", "macs", "stages", "provenance")


def main() -> None:
    """Run the rows that are named, or all."""
    wanted = sys.argv[1:] or [row.recipe for row in ROWS]
    RESULTS.mkdir(exist_ok=True)
    for seed in SEEDS:
        for name in wanted:
            path = RESULTS / f"{name}-seed{seed}.json"
            if not path.exists():
                report = build(HERE / "recipes" / f"{name}.toml", seed)
                path.write_text(json.dumps({key: report[key] for key in KEPT}, indent=1) + "\n")
            report = json.loads(path.read_text())
            error = 100 * (1 - report["accuracy"]["shipped"])
            times = report["parameters"]["total"] / report["parameters"]["nonzero"]
            print(f"{name} seed {seed}: {times:.1f}x fewer parameters, {error:.2f} % error", flush=True)


def build(recipe: Path, seed: int) -> dict[str, Any]:
    """Build a recipe with a seed; the run's report."""
    runs = os.environ.get("BRAMBLE_RUNS", "runs")
    command = ["build", str(recipe), "--set", f"seed={seed}", "--runs", runs, "--json"]
    done = subprocess.run([sys.executable, "-m", "bramble", *command], check=True, stdout=subprocess.PIPE, text=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


if __name__ == "__main__":
    main()
