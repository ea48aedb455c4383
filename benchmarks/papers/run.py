"""Run experiments of the papers' table, one seed after the other; what is finished is not run again.

    python benchmarks/papers/run.py [CLAIM …]

A run makes its own choices on 5,000 held-out training pictures; its last step reads the test set, from the shipped file
through the interpreter. benchmarks/README.md says what was known of test errors when the recipes were written. Each
seed's result goes to results/<experiment>-seed<n>.json as soon as it is there. Environment: BRAMBLE_DATA, BRAMBLE_RUNS
(where artifacts are kept, "runs" if unset).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments import CLAIMS, Experiment, experiments_of

from bramble.bundle import load_bundle
from bramble.errors import BrambleError
from bramble.events import EpochEnded, Event, StageBegan
from bramble.pipeline import Built, Options, build
from bramble.report.facts import make_report

HERE = Path(__file__).parent
RESULTS = HERE / "results"
MODELS = HERE.parent / "results" / "models"


def main() -> None:
    """Run the claims that are named, or all."""
    for claim in sys.argv[1:] or CLAIMS:
        for experiment in experiments_of(claim):
            for seed in experiment.seeds:
                path = RESULTS / f"{experiment.name}-seed{seed}.json"
                if not path.exists() or not _is_kept(experiment, seed):
                    _write(path, _run(experiment, seed))
                print(_line(json.loads(path.read_text())), flush=True)


def _is_kept(experiment: Experiment, seed: int) -> bool:
    """Whether the file that this seed should leave is there, if it should leave one."""
    return not experiment.keep or seed != experiment.seeds[0] or (MODELS / f"{experiment.name}.tflite").exists()


def _run(experiment: Experiment, seed: int) -> dict[str, Any]:
    """Build an experiment with a seed; what is kept of its report."""
    began = time.perf_counter()
    read = replace(experiment.read, recipe=experiment.read.recipe.model_copy(update={"seed": seed}))
    data = os.environ.get("BRAMBLE_DATA")
    options = Options(Path(data) if data else None, Path(os.environ.get("BRAMBLE_RUNS", "runs")))
    try:
        built = build(read, options, tell)
    except BrambleError as error:
        raise SystemExit(f"{experiment.name}: {error}") from error
    bundle = load_bundle(built.bundle)
    if experiment.keep and seed == experiment.seeds[0]:
        MODELS.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(built.folder / "bundle" / "model.tflite", MODELS / f"{experiment.name}.tflite")
    return _kept(experiment, seed, built, make_report(bundle, built.facts, None), time.perf_counter() - began)


def _kept(experiment: Experiment, seed: int, built: Built, report: dict[str, Any], seconds: float) -> dict[str, Any]:
    tested = report["accuracy"]["tested"]
    return {
        "experiment": experiment.name,
        "seed": seed,
        "wrong": round(tested * (1 - report["accuracy"]["shipped"])),
        "tested": tested,
        "dense_parameters": built.facts["stages"][0]["parameters"],
        "parameters": report["parameters"]["total"],
        "nonzero": report["parameters"]["nonzero"],
        "macs": report["macs"],
        "model_bytes": report["size"]["model_bytes"],
        "compressed_bytes": report["size"]["shipped_bytes"],
        "stages": [{key: fact for key, fact in stage.items() if key in STAGE} for stage in report["stages"]],
        "layers": _weights(report),
        "seconds": round(seconds),
        "recipe": experiment.read.recipe.model_dump(mode="json", exclude_defaults=True),
        "provenance": report["provenance"],
    }


def _weights(report: dict[str, Any]) -> dict[str, int]:
    """The weights of each layer's kernel in the shipped model, zeros too, by layer."""
    return {row["name"]: row["weights"] for row in (report["layers"] or {"rows": []})["rows"]}


STAGE = ("name", "parameters", "nonzero", "macs", "packed_bytes", "accuracy", "seconds", "shared", "hashed")


def _write(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in result.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _line(result: dict[str, Any]) -> str:
    error = 100 * result["wrong"] / result["tested"]
    times = result["dense_parameters"] / result["nonzero"]
    return f"{result['experiment']} seed {result['seed']}: {error:.2f} % error, {times:.1f}x fewer parameters"


def tell(event: Event) -> None:
    """Print stages and epochs, one line each."""
    if isinstance(event, StageBegan):
        print(f"  {event.name}{' (cached)' if event.cached else ''}", file=sys.stderr, flush=True)
    elif isinstance(event, EpochEnded):
        shown = f"    {event.epoch}/{event.epochs} loss {event.loss:.4f} held-out {event.held_out_accuracy:.4f}"
        print(f"{shown} {event.seconds:.1f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
