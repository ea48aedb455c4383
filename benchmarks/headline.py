"""Do the recipes keep what they promise? Build each, measure it on this machine, keep report and shipped file.

    python benchmarks/headline.py [NAME …]

Needs MNIST, CIFAR-10 and MLPerf Tiny's pretrainedResnet.h5 under $BRAMBLE_DATA. Results go to results/local/<name>.json
and results/models/<name>.tflite; `python benchmarks/tables.py` makes the tables of README.md from them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bramble.bundle import load_bundle

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PRETRAINED = "models/mlperf-tiny/image_classification/pretrainedResnet.h5"


def recipes() -> dict[str, list[str]]:
    """Each headline's name and the arguments of `bramble deploy` for it."""
    data = Path(os.environ["BRAMBLE_DATA"]).resolve()
    return {
        "digits-int8": ["digits-int8"],
        "lenet300-int8": ["lenet300-int8"],
        "lenet5-int8": ["lenet5-int8"],
        "lenet5-small": ["lenet5-small"],
        "resnet8-pretrained": [
            str(HERE / "recipes" / "resnet8-pretrained.toml"),
            "--set",
            f"model.keras={json.dumps(str(data / PRETRAINED))}",
        ],
    }


def main() -> None:
    """Run the named headlines, or all."""
    known = recipes()
    runs = Path(os.environ.get("BRAMBLE_RUNS", "runs"))
    for name in sys.argv[1:] or known:
        shipped = _deploy(known[name], runs)
        as_float = _deploy(
            [*known[name], "--set", f"stage.{len(shipped['recipe_table']['stage']) - 1}.scheme=float32"], runs
        )
        shipped["float32_latency"] = {key: as_float["latency"][key] for key in ("p50_ms", "p95_ms", "p99_ms")}
        _keep(name, shipped, runs)
        accuracy, size, latency = shipped["accuracy"], shipped["size"], shipped["latency"]
        print(
            f"{name}: float {accuracy['float']:.2%}, shipped {accuracy['shipped']:.2%}, {size['model_bytes']:,} bytes,"
            f" p50 {latency['p50_ms'] * 1e3:.1f} µs (float {as_float['latency']['p50_ms'] * 1e3:.1f}),"
            f" {shipped['verdict']}"
        )


def _deploy(arguments: list[str], runs: Path) -> dict:  # type: ignore[type-arg]
    command = [sys.executable, "-m", "bramble", "deploy", *arguments, "--runs", str(runs), "--json"]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 3, 4):
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}")
    report: dict = json.loads(done.stdout)  # type: ignore[type-arg]
    return report


def _keep(name: str, report: dict, runs: Path) -> None:  # type: ignore[type-arg]
    for folder in ("local", "models"):
        (RESULTS / folder).mkdir(parents=True, exist_ok=True)
    report["recipe_table"]["model"]["keras"] = None if report["recipe_table"]["model"]["keras"] is None else PRETRAINED
    report["board"].pop("hostname", None)
    (RESULTS / "local" / f"{name}.json").write_text(json.dumps(report, ensure_ascii=False) + "\n")
    packed = next(path for path in (runs / report["recipe"]).glob("*/bundle.zip") if _digest(path) == report["bundle"])
    (RESULTS / "models" / f"{name}.tflite").write_bytes(load_bundle(packed).read("model.tflite"))


def _digest(path: Path) -> str:
    return load_bundle(path).digest


if __name__ == "__main__":
    main()
