"""What the committed results say of int8: depthwise nets, a scale a channel or a tensor; orders of compression."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from lines import Claim, above, judged, not_run
from stats import RESULTS, Interval, interval, spread

SEEDS = 3
DATA = {"ds_cnn": "DS-CNN, Fashion-MNIST", "mobilenet": "MobileNet 0.25, CIFAR-10"}
STEPS = "D distill, P slim and prune, Q quantization-aware"


def depthwise() -> Iterator[Claim]:
    """Points of accuracy that int8 loses of float32, a scale a channel and a scale a tensor."""
    for net, name in DATA.items():
        paper, target = (
            f"Krishnamoorthi 2018, 1806.08342; {name}",
            "PTQ and aware lose ≤ 0.2 point, one scale a tensor more",
        )
        claim, runs = "depthwise layers want a scale a channel", _runs(f"depthwise-{net}")
        if not runs:
            yield not_run(paper, claim, target)
            continue
        lost = {arm: [_lost(run, arm) for run in runs] for arm in ("channel", "aware", "tensor")}
        told = ", ".join(f"{word} {spread(lost[arm])}" for arm, word in WORDS.items())
        floats = spread([100 * run["accuracy"]["float32"] for run in runs])
        means = {arm: statistics.mean(values) for arm, values in lost.items()}
        reached = max(means["channel"], means["aware"]) <= 0.2 < means["tensor"]
        yield Claim(paper, claim, target, f"float32 {floats} %; points lost: {told}", judged(reached))


WORDS = {"channel": "PTQ", "aware": "aware", "tensor": "PTQ with a scale a tensor"}


def orders() -> Iterator[Claim]:
    """The six orders by mean accuracy, and whether the best is better than the worst."""
    paper, runs = f"Orders on MNIST, small CNN; {STEPS}", _runs("orders")
    if not runs:
        yield not_run(paper, "the order matters", "an interval above 0")
        return
    accuracy = {order: [100 * run["orders"][order]["accuracy"] for run in runs] for order in runs[0]["orders"]}
    ranked = sorted(accuracy, key=lambda order: -statistics.mean(accuracy[order]))
    told = ", ".join(f"{order} {spread(accuracy[order])}" for order in ranked)
    apart = _apart(accuracy[ranked[0]], accuracy[ranked[-1]], runs[0]["tested"])
    yield Claim(
        paper,
        "the order matters: best against worst",
        "an interval above 0",
        f"{apart} points; {told}",
        above(apart, 0),
    )
    steps = [_apart(accuracy[a], accuracy[b], runs[0]["tested"]) for a, b in pairwise(ranked)]
    sure = sum(above(one, 0) == "holds" for one in steps)
    size = {order: statistics.mean(run["orders"][order]["packed"] for run in runs) for order in ranked}
    score = sorted(ranked, key=lambda order: -statistics.mean(accuracy[order]) / size[order])
    front = [order for order in ranked if not any(_beats(accuracy, size, other, order) for other in ranked)]
    ours = (
        f"{sure} of 5 neighbours in the ranking apart; by accuracy/packed bytes {' > '.join(score)}; "
        f"Pareto front {', '.join(front)}"
    )
    yield Claim(paper, "a ranking", "none", ours, "told")


def _beats(accuracy: dict[str, list[float]], size: dict[str, float], one: str, other: str) -> bool:
    better = statistics.mean(accuracy[one]) - statistics.mean(accuracy[other])
    return better >= 0 and size[one] <= size[other] and (better > 0 or size[one] < size[other])


def _apart(better: list[float], worse: list[float], tested: int) -> Interval:
    return interval([a - b for a, b in zip(better, worse, strict=True)], 100 / tested)


def _lost(run: dict[str, Any], arm: str) -> float:
    return float(100 * (run["accuracy"]["float32"] - run["accuracy"][arm]))


def _runs(name: str) -> list[dict[str, Any]]:
    """The runs of all seeds; none unless all are there."""
    found = [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"{name}-seed*.json"))]
    return found if len(found) == SEEDS else []
