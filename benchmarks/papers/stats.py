"""Results of one experiment over its seeds, and intervals of differences paired by seed.

Nothing is said of an experiment before all of its seeds are there. Errors come in steps of one test picture, so a few
seeds may differ by the very same amount; their standard deviation is taken to be one picture at least, or the interval
would have no width.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import seeds_of
from scipy import stats

RESULTS = Path(__file__).parent / "results"
MODELS = Path(__file__).parent.parent / "results" / "models"
Run = dict[str, Any]


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided 95 % interval, by Student's t over seeds."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


def interval(values: Sequence[float], step: float) -> Interval:
    """The mean of at least two values and its 95 % interval; a standard deviation below ``step`` counts as ``step``."""
    mean, deviation = statistics.mean(values), max(statistics.stdev(values), step)
    half = float(stats.t.ppf(0.975, len(values) - 1)) * deviation / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def runs_of(experiment: str) -> dict[int, Run]:
    """The committed runs of an experiment by seed, in order; empty unless all of its seeds are there."""
    read = [json.loads(path.read_text()) for path in RESULTS.glob(f"{experiment}-seed*.json")]
    found, wanted = {run["seed"]: run for run in read}, seeds_of(experiment)
    return {seed: found[seed] for seed in wanted} if found.keys() >= set(wanted) else {}


def errors(experiment: str) -> list[float]:
    """The test error of each seed in per cent; empty unless all are there."""
    return [error(run) for run in runs_of(experiment).values()]


def error(run: Run) -> float:
    """The test error of a run in per cent."""
    return float(100 * run["wrong"] / run["tested"])


def less_error(pairs: Sequence[tuple[str, str]]) -> Interval | None:
    """How many points of error the first of each pair has less than the second; the mean over pairs, paired by seed.

    None unless all seeds of all experiments are there.
    """
    runs = [(runs_of(better), runs_of(worse)) for better, worse in pairs]
    if not all(better and worse for better, worse in runs):
        return None
    seeds = list(runs[0][0])
    saved = [[error(worse[seed]) - error(better[seed]) for better, worse in runs] for seed in seeds]
    tested = min(run["tested"] for pair in runs for arm in pair for run in arm.values())
    return interval([statistics.mean(row) for row in saved], 100 / tested)


def spread(values: Sequence[float]) -> str:
    """A mean with the least and the greatest value."""
    return f"{statistics.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"
