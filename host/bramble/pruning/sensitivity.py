"""How much each layer suffers when it alone is pruned, and densities by which all suffer alike (Han 2015, Fig. 6).

The scan prunes one layer at a time, without retraining, and measures on training pictures. The allocation asks of every
layer the same predicted loss L: density_l = the least d with rise_l(d) ≤ L, with L found by bisection such that the
model's density is the wanted one. Curves are made monotone and interpolated linearly between the scanned densities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.datasets.types import Images
from bramble.held.masks import Scores, keep_highest
from bramble.training.softmax import logits
from bramble_agent.pixels import table, to_input
from bramble_agent.wire import Pixels, TensorSpec

DENSITIES = (1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05, 0.02, 0.01)
BATCH = 512
HALVINGS = 100
TILT = 1e-6  # of the largest loss: equal losses favour equal densities, and every threshold has one answer
FLOAT = TensorSpec("", (), "float32")


@dataclass(frozen=True)
class Point:
    """A layer pruned to ``density``, the others as they are: top-1 accuracy, and mean cross-entropy in nats."""

    density: float
    accuracy: float
    loss: float


Curves = dict[str, tuple[Point, ...]]


def scan(model: keras.Model, layers: Sequence[keras.Layer], scores: Scores, images: Images, pixels: Pixels) -> Curves:
    """The curve of each layer by name, from whole to a single weight left; the model is as before afterwards.

    ``scores`` rank each kernel's weights; ``images`` are training pictures, since the curves decide.
    """
    seen = to_input(images.pixels, table(pixels, FLOAT))
    whole = _measured(model, seen, images.labels)
    curves: Curves = {}
    for layer, score in zip(layers, scores, strict=True):
        kernel, points = np.asarray(layer.kernel), [Point(1.0, *whole)]
        for density in (*DENSITIES[1:], 1.0 / score.size):
            if 1.0 / score.size <= density < points[-1].density:
                layer.kernel.assign(kernel * keep_highest([score], density, "local")[0])
                points.append(Point(density, *_measured(model, seen, images.labels)))
        layer.kernel.assign(kernel)
        curves[layer.name] = tuple(points)
    return curves


def allocate(curves: Curves, sizes: Mapping[str, int], density: float) -> dict[str, float]:
    """The density of each layer, in (0, 1], so that together ``density`` of all weights stay, to the weight.

    ``sizes`` are the layers' numbers of weights; each layer keeps at least one.
    """
    count = np.array([sizes[name] for name in curves])
    tilt = TILT * max(point.loss for points in curves.values() for point in points)
    rises = [_rise(points, tilt) for points in curves.values()]

    densities = [[point.density for point in points] for points in curves.values()]

    def shares(limit: float) -> NDArray[np.float64]:
        return np.array([np.interp(limit, *pair) for pair in zip(rises, densities, strict=True)])

    wanted = max(round(density * int(count.sum())), len(count))
    low, high = 0.0, max(float(rise[-1]) for rise in rises)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if shares(middle) @ count > wanted else (low, middle)
    kept = _whole(shares(high) * count, count, wanted)
    return {name: int(left) / int(of) for name, left, of in zip(curves, kept, count, strict=True)}


def _rise(points: tuple[Point, ...], tilt: float) -> NDArray[np.float64]:
    """By how much the loss has risen at each point, growing all the way as the density falls."""
    losses = np.array([point.loss for point in points])
    return np.asarray(np.maximum.accumulate(losses - losses[0]) + tilt * (1.0 - np.array([p.density for p in points])))


def _whole(kept: NDArray[np.float64], count: NDArray[np.int64], wanted: int) -> NDArray[np.int64]:
    """Whole numbers near ``kept`` that add up to ``wanted``: rounded down, the largest remainders up."""
    low = np.clip(np.floor(kept + 1e-9).astype(np.int64), 1, count)
    order = np.argsort(low - kept, kind="stable")
    while (missing := wanted - int(low.sum())) != 0:
        movable = [one for one in order if (low[one] < count[one] if missing > 0 else low[one] > 1)]
        for one in movable[: abs(missing)] if missing > 0 else movable[::-1][: abs(missing)]:
            low[one] += 1 if missing > 0 else -1
    return low


def _measured(model: keras.Model, seen: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Accuracy and mean cross-entropy."""
    right, loss = 0, 0.0
    for start in range(0, len(labels), BATCH):
        part = slice(start, start + BATCH)
        answers = np.asarray(logits(model, model(seen[part], training=False)), dtype=np.float64)
        right += int((answers.argmax(1) == labels[part]).sum())
        top = answers.max(1, keepdims=True)
        spread = np.log(np.exp(answers - top).sum(1)) + top[:, 0]
        loss += float((spread - answers[np.arange(len(answers)), labels[part]]).sum())
    return right / len(labels), loss / len(labels)
