"""Khan & Mandal 2023: int8 is a quarter of float32, but for what a file holds besides weights. As a Markdown table.

    python benchmarks/quarter.py

The files are those of the committed headline results. A weight has 4 bytes in float32 and 1 in int8; a bias 4 in both;
in int8 the weights and the bias of a channel have a scale each (4 B). What is left is the file's own: tensors, zero
points, names, operators.
"""

from __future__ import annotations

import json
from pathlib import Path

from bramble.tflite import read_graph

RESULTS = Path(__file__).parent / "results"
A_SCALE = 4


def table() -> str:
    """One row a net."""
    rows = [
        "| net | float32 B | int8 B | ratio | weights | biases, scales B | the rest of int8 B | ratio without these |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*rows, *(_row(path) for path in sorted((RESULTS / "local").glob("*.json")))])


def _row(path: Path) -> str:
    size = json.loads(path.read_text())["size"]
    graph = read_graph((RESULTS / "models" / f"{path.stem}.tflite").read_bytes())
    weights = sum(one.value.size for one in graph.weights() if one.value is not None)
    scales = sum(len(one.scales) for one in graph.weights())
    biases = [one.value for one in graph.tensors if one.dtype == "INT32" and one.value is not None and one.scales]
    bias = sum(value.size for value in biases)
    beside = 4 * bias + A_SCALE * (scales + bias)
    rest = size["model_bytes"] - weights - beside
    ratio = size["model_bytes"] / size["float_bytes"]
    bare = (weights + 4 * bias) / (4 * weights + 4 * bias)
    return (
        f"| {path.stem} | {size['float_bytes']:,} | {size['model_bytes']:,} | {ratio:.3f} | {weights:,} "
        f"| {beside:,} | {rest:,} | {bare:.3f} |"
    )


if __name__ == "__main__":
    print(table())
