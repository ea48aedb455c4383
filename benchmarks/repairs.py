"""What repairs after training change in int8: ResNet-8, calibrations by repairs, on held-out training pictures.

    python benchmarks/repairs.py [--seeds 3] [--write]

The net is MLPerf Tiny's pretrainedResnet.h5. Each arm is lowered once a seed, which draws its 500 calibration pictures,
and answers the 5,000 training pictures that no calibration sees. The net itself was trained on them, so the float
model's accuracy is high, and what counts is the distance to it. The test set is not read. ai-edge-quantizer is one more
arm where it is installed. ``--write`` keeps the table in benchmarks/results/repairs.json and repairs.md. Needs CIFAR-10
and the .h5 under $BRAMBLE_DATA; 10 to 20 minutes.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.compress.quantize import quantize
from bramble.convert import convert
from bramble.datasets import cifar10
from bramble.datasets.types import Dataset, split
from bramble.recipe_quantize import Quantize
from bramble.work import Work
from bramble_agent import runtime
from bramble_agent.pixels import table, to_input
from bramble_agent.wire import Pixels

HERE = Path(__file__).parent
PRETRAINED = "models/mlperf-tiny/image_classification/pretrainedResnet.h5"
PIXELS = Pixels(32, 32, "rgb", 0.0, 255.0)
HELD_OUT = 0.1  # of 50,000
REPAIRS: dict[str, dict[str, Any]] = {
    "none": {},
    "equalize": {"equalize": True},
    "correct_bias": {"correct_bias": True},
    "adaround": {"rounding": "adaround"},
    "all three": {"equalize": True, "correct_bias": True, "rounding": "adaround"},
}


def main() -> None:
    """Lower every arm, print the table, and keep what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    told = parser.parse_args()
    root = Path(os.environ["BRAMBLE_DATA"])
    data = split(cifar10.source(root), HELD_OUT)
    model = keras.models.load_model(root / PRETRAINED, compile=False)
    exact = answers(convert(model, "float32", lambda: iter(())), data)
    right = float((exact.argmax(1) == data.held_out.labels).mean())
    rows = []
    for arm in arms():
        rows.append(measured(arm, model, data, exact, range(1, told.seeds + 1)))
        print(rows[-1], flush=True)
    text = markdown(rows, right)
    print(text)
    if told.write:
        found = {"pictures": len(exact), "float_accuracy": right, "rows": rows}
        (HERE / "results" / "repairs.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (HERE / "results" / "repairs.md").write_text(text + "\n", encoding="utf-8")


def arms() -> Iterator[dict[str, Any]]:
    """Names of an arm, and the keys of its stage."""
    for calibrate, (name, keys) in itertools.product(("minmax", "percentile", "mse"), REPAIRS.items()):
        yield {"calibrate": calibrate, "repair": name, "keys": {"calibrate": calibrate, **keys}}
    if importlib.util.find_spec("ai_edge_quantizer"):
        yield {"calibrate": "its own", "repair": "ai-edge-quantizer", "keys": {"backend": "ai-edge-quantizer"}}


def measured(
    arm: dict[str, Any], model: keras.Model, data: Dataset, exact: NDArray[np.float64], seeds: range
) -> dict[str, Any]:
    """Accuracy, share of pictures of the float model's class, and mean distance in steps of 1/256, by seed."""
    how = Quantize.model_validate({"do": "quantize", "max_mean_lsb": 100.0, **arm["keys"]})
    found: dict[str, Any] = {"calibrate": arm["calibrate"], "repair": arm["repair"]}
    for seed in seeds:
        made = quantize(model, how, Work(data, PIXELS, seed, lambda event: None)).tflite
        got = answers(made, data)
        one = {
            "accuracy": float((got.argmax(1) == data.held_out.labels).mean()),
            "agreement": float((got.argmax(1) == exact.argmax(1)).mean()),
            "mean_lsb": float(np.abs(got - exact).mean() * 256),
            "bytes": len(made),
        }
        for name, value in one.items():
            found.setdefault(name, []).append(value)
    return found


def answers(tflite: bytes, data: Dataset) -> NDArray[np.float64]:
    """The real outputs for the held-out pictures, [n, classes]."""
    engine = runtime.load(tflite)
    spec = engine.outputs[0]
    inputs = to_input(data.held_out.pixels, table(PIXELS, engine.inputs[0]))
    got = np.concatenate([engine.run(one[None])[0] for one in inputs]).astype(np.float64)
    return (got - spec.zero_point) * spec.scale if spec.scale else got


def markdown(rows: list[dict[str, Any]], right: float) -> str:
    """The table: means over the seeds, and the least and the greatest accuracy."""
    lines = [
        f"Float32: {right:.2%} of the held-out training pictures.",
        "",
        "| calibration | repair | accuracy | least … greatest | float's class | mean distance, LSB | bytes |",
        "|---|---|--:|---|--:|--:|--:|",
    ]
    for row in rows:
        accuracy, agreement, lsb = (statistics.mean(row[name]) for name in ("accuracy", "agreement", "mean_lsb"))
        lines.append(
            f"| {row['calibrate']} | {row['repair']} | {accuracy:.2%} "
            f"| {min(row['accuracy']):.2%} … {max(row['accuracy']):.2%} "
            f"| {agreement:.2%} | {lsb:.3f} | {max(row['bytes']):,} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
