"""How much faster the slimmed LeNet-5 is than the dense one, both int8, paired in one run on this machine.

    python benchmarks/papers/latency.py DENSE.tflite SLIMMED.tflite

Blocks of bare invocations alternate; one ratio a pair of blocks. Writes results/latency.json.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from stats import RESULTS

from bramble_agent import runtime

PAIRS = 60
INVOCATIONS = 2_000


def main() -> None:
    """Measure the two files."""
    dense, slimmed = (runtime.load(Path(name), 1) for name in sys.argv[1:3])
    for engine in (dense, slimmed):
        _seconds(engine)
    pairs = [(_seconds(dense), _seconds(slimmed)) for _ in range(PAIRS)]
    ratios = [slow / fast for slow, fast in pairs]
    low, median, high = np.percentile(ratios, (2.5, 50, 97.5))
    found = {
        "files": [Path(name).name for name in sys.argv[1:3]],
        "microseconds": [round(float(np.median(column)) / INVOCATIONS * 1e6, 3) for column in zip(*pairs, strict=True)],
        "dense_over_structured": {"median": float(median), "low": float(low), "high": float(high), "pairs": PAIRS},
    }
    (RESULTS / "latency.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def _seconds(engine: runtime.Engine) -> float:
    began = time.perf_counter()
    for _ in range(INVOCATIONS):
        engine.invoke()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
