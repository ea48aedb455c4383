"""AdaRound: each weight is rounded up or down as its layer's answers need it (Nagel et al. 2020, 2004.10568).

    w̃ = s·(⌊w/s⌋ + h(v))        h(v) = clip(σ(v)·(ζ − γ) + γ, 0, 1),  ζ = 1.1, γ = −0.1
    v = argmin ‖f(W x + b) − f(W̃ x̃ + b)‖² + λ Σ (1 − |2h(v) − 1|^β)

f is the ReLU or ReLU6 behind the layer, where there is one. x is what the float layer reads, x̃ what it reads in the
rounded net, whose layers before it are rounded already. β falls from 20 to 2, after a fifth of the steps without λ, so
that every h ends at 0 or 1. Steps are Adam's (1412.6980), each on some output positions of the calibration pictures.

The scale s is max|w_c|/127 and stays: a weight that lies on the grid, as the largest of a channel and every zero does,
is not moved. Here the error is measured in that of rounding to nearest, a weight's share of it as 1, so that λ means
the same in every layer. Where rounding to nearest is better on all positions, it is kept. Layers of shared values stay
rounded to nearest, so that what is shared stays so; transposed and 1-d convolutions too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bramble.events import Note
from bramble.quantization.export import Ready, round_kernels, weighted
from bramble.quantization.graph import consumers, named_nodes
from bramble.quantization.grid import reduced_axes, scales
from bramble.quantization.patches import grouped, known, patches, ungrouped
from bramble.quantization.places import fusable
from bramble.quantization.ranges import Batches
from bramble.quantization.taps import through, ways
from bramble.work import Work

Array = NDArray[np.float32]
STEPS, ROWS = 5_000, 256
POSITIONS, VALUES = 16_384, 2**25  # rows a layer is fitted on at most, and values they may hold
WIDE, LOW, WEIGHT, RATE = 1.2, -0.1, 1.0, 2e-2  # ζ − γ, γ, λ, Adam's rate
WARM, FIRST, LAST = 0.2, 20.0, 2.0  # share of steps without λ; β
EXACT = 1e-3  # of a step: a weight this near to the grid lies on it


@dataclass(frozen=True)
class Task:
    """A layer to be rounded: rows [g, n, k] of its inputs, their answers [g, n, M], weights in steps [g, k, M]."""

    rows: Array
    answers: Array
    weights: Array
    steps: Array  # [g, 1, M]
    bias: Array  # [g, 1, M]
    most: float  # where what follows clips: 6 or inf; answers are clipped already
    least: float  # 0 or −inf

    def error(self, whole: Array) -> float:
        """The squared error of a position's answers in the mean, with these integers."""
        wrong = np.square(self.given(self.rows, whole * self.steps) - self.answers)
        return float(wrong.sum((0, 2)).mean())

    def given(self, rows: Array, kernel: Array) -> Array:
        """What the layer gives."""
        found: Array = np.clip(rows @ kernel + self.bias, self.least, self.most)
        return found


def adaround(ready: Ready, reference: keras.Model, batches: Batches, work: Work) -> None:
    """Round the kernels of a simulation, in place, by what the ``reference``, its float graph, answers.

    Tells each layer's error on the calibration pictures as a share of that of rounding to nearest.
    """
    draw = np.random.default_rng(work.seed)
    for layer in weighted(ready.simulation):
        if layer.name in ready.tied or layer.name in ready.kept or not known(layer):
            continue
        task = _task(layer, ready.simulation, reference, batches, draw)
        with threadpool_limits(1, "blas"):  # products this small gain nothing by threads, and a busy machine's wait
            nearest, chosen = np.round(task.weights), rounded(task, draw)
        before, after = task.error(nearest), task.error(chosen)
        whole = ungrouped(layer, chosen if after < before else nearest)
        layer.kernel.assign(whole * scales(np.asarray(layer.kernel), reduced_axes(layer)))
        work.on_event(Note(f"adaround {layer.name}: error {min(after, before) / (before or 1.0):.2f} of nearest"))
    round_kernels(ready)


def rounded(task: Task, draw: np.random.Generator) -> Array:
    """The integers, [g, k, M] in float32, each the floor or the ceiling of its weight in steps."""
    nearest = np.round(task.weights)
    free = (np.abs(task.weights - nearest) > EXACT).astype(np.float32)
    low = np.where(free > 0, np.floor(task.weights), nearest)
    before, count = task.error(nearest), float(free.sum())
    if not before or not count:
        return nearest
    share = np.where(free > 0, task.weights - low, 0.5)
    v = -np.log(WIDE / (share - LOW) - 1.0)
    adam = _Adam(np.zeros_like(v), np.zeros_like(v))
    for step in range(STEPS):
        pick = draw.integers(task.rows.shape[1], size=ROWS)
        rows = task.rows[:, pick]
        sigmoid = 1.0 / (1.0 + np.exp(-v))
        h = np.clip(sigmoid * WIDE + LOW, 0.0, 1.0)
        given = task.given(rows, (low + free * h) * task.steps)
        wrong = np.where((given > task.least) & (given < task.most), given - task.answers[:, pick], 0.0)
        slope = rows.swapaxes(1, 2) @ wrong * task.steps * np.float32(2.0 * count / (before * ROWS))
        slope -= _decided(h, step / STEPS)
        v -= adam.move(free * slope * WIDE * sigmoid * (1.0 - sigmoid) * ((h > 0) & (h < 1)))
    return np.where(free > 0, low + (h >= 0.5), nearest)


def _decided(h: NDArray[Any], done: float) -> Array:
    """Minus the slope of λ Σ (1 − |2h − 1|^β), when so much of the search is done."""
    if done < WARM:
        return np.zeros_like(h)
    falling = 0.5 * (1.0 + math.cos(math.pi * (done - WARM) / (1.0 - WARM)))
    beta = np.float32(LAST + (FIRST - LAST) * falling)
    side = 2.0 * h - 1.0
    return np.asarray(2.0 * WEIGHT * beta * np.abs(side) ** (beta - 1.0) * np.sign(side), np.float32)


@dataclass
class _Adam:
    """Adam's two means, for one array."""

    first: Array
    second: Array
    count: int = 0

    def move(self, slope: Array) -> Array:
        """How far to go."""
        self.count += 1
        self.first += 0.1 * (slope - self.first)
        self.second += 0.001 * (np.square(slope) - self.second)
        first, second = 1.0 - 0.9**self.count, 1.0 - 0.999**self.count
        move: Array = RATE * (self.first / first) / (np.sqrt(self.second / second) + 1e-8)
        return move


def _task(
    layer: Any, simulation: keras.Model, reference: keras.Model, batches: Batches, draw: np.random.Generator
) -> Task:
    """The layer's part of the search, from the pictures."""
    kernel = np.asarray(layer.kernel, np.float64)
    steps = np.broadcast_to(scales(kernel, reduced_axes(layer)), kernel.shape)
    weights = grouped(layer, kernel / steps).astype(np.float32)
    bias = np.asarray(layer.bias if layer.use_bias else np.zeros(weights.shape[0] * weights.shape[2]), np.float32)
    mine, wanted = ways(simulation)[layer.name], ways(reference)[layer.name]
    least, most = _clipping(reference, wanted)
    pictures = sum(len(batch[0]) for batch in batches()) * len(mine)
    held = weights.shape[0] * weights.shape[1]
    each = max(1, min(POSITIONS, VALUES // held) // pictures)
    parts = []
    given = through(simulation, [node.input_tensors[0] for node in mine], batches)
    answers = through(reference, [node.output_tensors[0] for node in wanted], batches)
    for xs, ys in zip(given, answers, strict=True):
        parts += [patches(layer, x, y, each, draw) for x, y in zip(xs, ys, strict=True)]
    rows, results = (np.concatenate(one, 1) for one in zip(*parts, strict=True))
    return Task(
        rows,
        np.clip(results, least, most),
        weights,
        np.ascontiguousarray(grouped(layer, steps)[:, :1]),
        bias.reshape(weights.shape[0], 1, -1),
        most,
        least,
    )


def _clipping(model: keras.Model, calls: list[Any]) -> tuple[float, float]:
    """Where the activation that alone reads all of a layer's calls clips: least and most."""
    read, found = consumers(model), set[tuple[float, float]]()
    readers = {id(tensor): node.operation for _, node in named_nodes(model) for tensor in node.input_tensors}
    for node in calls:
        tensor = id(node.output_tensors[0])
        reader = readers.get(tensor) if read[tensor] == 1 else None
        six = getattr(reader, "max_value", None) == 6 or getattr(reader, "activation", None) is keras.activations.relu6
        found.add((0.0, 6.0 if six else math.inf) if fusable(reader) else (-math.inf, math.inf))
    return found.pop() if len(found) == 1 else (-math.inf, math.inf)
