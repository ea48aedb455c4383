"""How much faster one file is than another, all timed in turns in one run on this machine.

    python benchmarks/papers/latency.py DENSE.tflite SLIMMED.tflite    writes results/latency.json
    python benchmarks/papers/latency.py --cut                          the kept files of "conv-dense": latency-cut.json

Blocks of bare invocations, one of each file in a round; one ratio a round.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from stats import MODELS, RESULTS

from bramble_agent import runtime

ROUNDS = 60
INVOCATIONS = 2_000
CUT = ("cut-conv", "cut-dense", "cut-conv-more", "cut-dense-more")
SLOWER = (("cut-dense", "cut-conv"), ("cut-dense-more", "cut-conv-more"), ("cut-dense-more", "cut-conv"))


def main() -> None:
    """Measure two files, or the kept ones."""
    name, found = ("latency-cut", cut()) if sys.argv[1:] == ["--cut"] else ("latency", two(sys.argv[1:3]))
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def two(names: Sequence[str]) -> dict[str, Any]:
    """The dense file's time over the slimmed one's."""
    dense, slimmed = in_turns([Path(name) for name in names])
    return {
        "files": [Path(name).name for name in names],
        "microseconds": [_microseconds(dense), _microseconds(slimmed)],
        "dense_over_structured": ratio(dense, slimmed),
    }


def cut() -> dict[str, Any]:
    """The pairs of cut files, and the smaller one with a cut dense layer over the bigger one with cut convolutions."""
    seconds = dict(zip(CUT, in_turns([MODELS / f"{name}.tflite" for name in CUT]), strict=True))
    return {
        "microseconds": {name: _microseconds(column) for name, column in seconds.items()},
        "over": {f"{slow} / {fast}": ratio(seconds[slow], seconds[fast]) for slow, fast in SLOWER},
    }


def in_turns(files: Sequence[Path]) -> list[list[float]]:
    """Seconds of each file's block in each round, after one block of each that does not count."""
    engines = [runtime.load(file, 1) for file in files]
    for engine in engines:
        _seconds(engine)
    rounds = [[_seconds(engine) for engine in engines] for _ in range(ROUNDS)]
    return [list(column) for column in zip(*rounds, strict=True)]


def ratio(slow: Sequence[float], fast: Sequence[float]) -> dict[str, float]:
    """The ratios of all rounds: their median, and what 95 % of them lie between."""
    low, median, high = np.percentile(np.divide(slow, fast), (2.5, 50, 97.5))
    return {"median": float(median), "low": float(low), "high": float(high), "pairs": len(slow)}


def _microseconds(column: Sequence[float]) -> float:
    return round(float(np.median(column)) / INVOCATIONS * 1e6, 3)


def _seconds(engine: runtime.Engine) -> float:
    began = time.perf_counter()
    for _ in range(INVOCATIONS):
        engine.invoke()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
