"""Results of one experiment over its seeds, and intervals of differences."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy import stats

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided 95 % interval, by Student's t over seeds."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


def interval(values: Sequence[float]) -> Interval:
    """The mean of at least two values and its 95 % interval."""
    mean, half = statistics.mean(values), 0.0
    spread = statistics.stdev(values)
    if spread:
        half = float(stats.t.ppf(0.975, len(values) - 1)) * spread / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def runs_of(experiment: str) -> list[dict[str, Any]]:
    """The committed results of an experiment, in the order of seeds; empty where there are none."""
    paths = sorted(RESULTS.glob(f"{experiment}-seed*.json"), key=lambda path: int(path.stem.rpartition("seed")[2]))
    return [json.loads(path.read_text()) for path in paths]


def errors(experiment: str) -> list[float]:
    """The test error of each seed in per cent."""
    return [100 * run["wrong"] / run["tested"] for run in runs_of(experiment)]


def less_error(better: str, worse: str) -> Interval | None:
    """How many points of error ``better`` has less than ``worse``, paired by seed; None without results."""
    pairs = list(zip(errors(worse), errors(better), strict=False))
    return interval([a - b for a, b in pairs]) if len(pairs) > 1 else None


def spread(values: Sequence[float]) -> str:
    """A mean with the least and the greatest value."""
    return f"{statistics.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"
