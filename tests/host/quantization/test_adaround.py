"""AdaRound against every rounding there is, in whole nets, and down to the shipped integers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.quantization import adaround as adarounding
from bramble.quantization.adaround import Task, adaround, rounded
from bramble.quantization.export import Ready, export, tie
from bramble.quantization.fold import fold
from bramble.quantization.grid import reduced_axes, scales
from bramble.quantization.places import places
from bramble.quantization.plain import plain
from bramble.quantization.ranges import Batches, calibrate
from bramble.quantization.simulate import simulate
from bramble.tflite import read_graph

from ..conftest import quiet
from ..nets import scrambled
from .graphs import BODIES, around, pictures


def alike(count: int, size: int, seed: int) -> NDArray[np.float32]:
    """Rows whose values hang together, so that errors of rounding add up or cancel: [1, count, size]."""
    generator = np.random.default_rng(seed)
    common = generator.normal(size=(1, count, 3)) @ generator.normal(size=(1, 3, size))
    return (common + 0.3 * generator.normal(size=(1, count, size))).astype(np.float32)


def task(seed: int, least: float = -np.inf, most: float = np.inf) -> Task:
    """One layer of 8 weights and one output, in coarse steps; the first weight is the largest, the second 0."""
    weights = np.random.default_rng(seed).uniform(-6.0, 6.0, (1, 8, 1)).astype(np.float32)
    weights[0, :2, 0] = 7.0, 0.0
    steps, bias = np.full((1, 1, 1), 0.1, np.float32), np.full((1, 1, 1), 0.2, np.float32)
    rows = alike(400, 8, seed)
    return Task(rows, np.clip(rows @ weights * steps + bias, least, most), weights, steps, bias, most, least)


def best(one: Task) -> float:
    """The least error of all roundings of one output up or down, by trying each."""
    sides = [(np.floor(w), np.ceil(w)) for w in one.weights.ravel()]
    return min(one.error(np.array(way, np.float32).reshape(one.weights.shape)) for way in itertools.product(*sides))


def way_gone(tasks: list[Task]) -> float:
    """How far the search comes from rounding to nearest (0) to the best of all roundings (1), errors summed."""
    chosen = sum(one.error(rounded(one, np.random.default_rng(0))) for one in tasks)
    nearest, least = sum(one.error(np.round(one.weights)) for one in tasks), sum(map(best, tasks))
    return (nearest - chosen) / (nearest - least)


@pytest.mark.slow
@pytest.mark.parametrize(("least", "most"), [(-np.inf, np.inf), (0.0, np.inf), (0.0, 1.0)])
def test_near_the_best_of_all_roundings(least: float, most: float) -> None:
    """All 2⁶ roundings tried one by one: from nearest to the best it goes two fifths of the way or more.

    Errors of ten layers are summed; a relaxation of so few weights ends in local minima.
    """
    assert way_gone([task(seed, least, most) for seed in range(10)]) > 0.4


def test_floor_or_ceiling() -> None:
    """Every integer is one of a weight's two neighbours; the largest weight and the zero are on the grid and stay."""
    one = task(1)
    chosen = rounded(one, np.random.default_rng(0))
    assert set(np.unique(chosen - np.floor(one.weights))) <= {0.0, 1.0}
    assert chosen[0, :2, 0].tolist() == [7.0, 0.0]


@pytest.mark.slow
def test_answers_of_other_inputs() -> None:
    """Asymmetric: inputs that are 5 % too small are met by other integers than the right ones would be."""
    tasks = [task(seed) for seed in range(10)]
    small = [replace(one, rows=one.rows * np.float32(0.95)) for one in tasks]
    assert way_gone(small) > 0.4
    draw = np.random.default_rng
    assert any(
        (rounded(one, draw(0)) != rounded(other, draw(0))).any() for one, other in zip(tasks, small, strict=True)
    )


def test_groups_and_outputs_are_apart() -> None:
    """Two groups of two outputs: each takes the error of its own answers and no other's."""
    parts = [task(seed) for seed in range(4)]
    weights = np.stack([np.concatenate([parts[n].weights[0], parts[n + 1].weights[0]], 1) for n in (0, 2)])
    rows = np.concatenate([parts[0].rows, parts[2].rows])
    bias, steps = np.zeros((2, 1, 2), np.float32), np.array([[[0.1, 0.2]], [[0.3, 0.4]]], np.float32)
    whole = Task(rows, rows @ (weights * steps), weights, steps, bias, np.inf, -np.inf)
    chosen, found = rounded(whole, np.random.default_rng(0)), list[tuple[float, float, float]]()
    for group, output in itertools.product(range(2), range(2)):
        at = np.s_[group : group + 1, :, output : output + 1]
        alone = Task(rows[group : group + 1], whole.answers[at], weights[at], steps[at], bias[at], np.inf, -np.inf)
        found.append((alone.error(chosen[at]), alone.error(np.round(weights[at])), best(alone)))
    got, nearest, least = np.sum(found, 0)
    assert got == pytest.approx(whole.error(chosen), rel=1e-4)
    assert got < nearest - 0.3 * (nearest - least)


def test_nothing_to_choose() -> None:
    """Weights that lie on the grid, to a float's last digits, stay there."""
    one = task(1)
    whole = np.round(one.weights) + np.float32(1e-5)
    assert np.array_equal(rounded(replace(one, weights=whole), np.random.default_rng(0)), np.round(one.weights))


def batches_of(given: NDArray[np.float32]) -> Batches:
    """The pictures in two batches."""

    def batches() -> Iterator[list[NDArray[np.float32]]]:
        yield [given[:20]]
        yield [given[20:]]

    return batches


def prepared(graph: keras.Model, given: NDArray[np.float32], tied: tuple[str, ...] = ()) -> Ready:
    """The graph, rounded by its ranges on these pictures; some layers tied."""
    held = tie(graph, tied)
    where = places(graph, {tensor.name: (0.0, 1.0) for tensor in graph.inputs})
    return Ready(simulate(graph, where, calibrate(graph, where, batches_of(given))), held)


def told(notes: list[str]) -> Any:
    """Work that keeps what it is told; nothing here reads its data."""
    return replace(quiet(None), on_event=lambda event: notes.append(event.text))  # type: ignore[arg-type]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of the steps."""
    monkeypatch.setattr(adarounding, "STEPS", 1_000)


@pytest.mark.slow
@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("kind", ["residual", "concat", "squeeze-excite", "separable", "transposed"])
def test_shipped_integers_are_the_chosen_ones(kind: str) -> None:
    """Each weight's floor or ceiling, not always the nearest; the file holds these integers, and the same scales."""
    graph, given, notes = fold(plain(around(BODIES[kind], name="net"))), pictures(40), list[str]()
    ready = prepared(graph, given)
    adaround(ready, graph, batches_of(given), told(notes))
    made = export(ready.simulation, ready.tied)
    held = {(one.shape, one.value.tobytes()) for one in read_graph(made.tflite).weights() if one.value is not None}
    moved = 0
    for name, kernel in made.kernels.items():
        assert (kernel.integers.shape, kernel.integers.tobytes()) in held, name
        layer = graph.get_layer(name)
        exact = np.asarray(layer.kernel, np.float64)
        steps = scales(exact, reduced_axes(layer))
        chosen = np.asarray(ready.simulation.get_layer(name).kernel, np.float64) / steps
        ratio = exact / steps
        assert np.abs(chosen - np.round(chosen)).max() < 1e-3
        assert (np.abs(chosen - ratio) < 1.001).all()
        assert sorted(kernel.integers.ravel()) == sorted(np.round(chosen).astype(int).ravel())
        assert np.allclose(np.sort(kernel.scales), np.sort(steps.ravel()), rtol=1e-6)
        moved += int((np.abs(chosen - ratio) > 0.51).sum())
    assert moved > 10
    assert len(notes) == sum(not isinstance(one, layers.Conv2DTranspose) for one in map(graph.get_layer, made.kernels))


@pytest.mark.usefixtures("short")
def test_layers_see_the_rounded_net_and_aim_at_the_float_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a layer is fitted on: inputs as the layers before it, rounded already, give them; the float ReLU's answers.

    Held against plain products of the pictures for a net of two dense layers.
    """
    rows = keras.Input((6,), name="rows")
    x = layers.ReLU()(layers.Dense(5, name="one")(rows))
    graph = scrambled(keras.Model(rows, layers.ReLU(6.0)(layers.Dense(4, name="two")(x))))
    given, seen = pictures(40, 6), list[Task]()
    inner = adarounding.rounded
    monkeypatch.setattr(adarounding, "rounded", lambda one, draw: (seen.append(one), inner(one, draw))[1])
    ready = prepared(graph, given)
    adaround(ready, graph, batches_of(given), told([]))
    middle = np.maximum(given @ np.asarray(graph.get_layer("one").kernel) + graph.get_layer("one").bias, 0.0)
    wanted = np.clip(middle @ np.asarray(graph.get_layer("two").kernel) + graph.get_layer("two").bias, 0.0, 6.0)
    assert np.allclose(seen[0].answers[0], middle, atol=1e-5)
    assert np.allclose(seen[1].answers[0], wanted, atol=1e-5)
    assert [(one.least, one.most) for one in seen] == [(0.0, np.inf), (0.0, 6.0)]
    coarse = np.round(given * 255) / 255
    assert np.allclose(seen[0].rows[0], coarse, atol=1e-6)
    one = ready.simulation.get_layer("one")
    step = middle.max() / 255
    through = np.maximum(coarse @ np.asarray(one.kernel) + one.bias, 0.0) / step
    assert (np.abs(seen[1].rows[0] / step - np.clip(through, 0, 255)) < 0.501).all()
    assert not np.allclose(seen[1].rows[0], middle, atol=1e-4)


@pytest.mark.usefixtures("short")
def test_zeros_shared_values_and_kept_layers_stay() -> None:
    """Pruned weights stay 0; a layer of four values has four integers; a kept one is not touched."""
    rows = keras.Input((16,), name="rows")
    x = layers.Dense(12, activation="relu", name="sparse")(rows)
    x = layers.Dense(12, activation="relu", name="few")(x)
    model = scrambled(keras.Model(rows, layers.Dense(4, name="kept")(x)))
    kernel, bias = model.get_layer("sparse").get_weights()
    zero = np.random.default_rng(0).random(kernel.shape) < 0.7
    model.get_layer("sparse").set_weights([np.where(zero, 0.0, kernel), bias])
    kernel, bias = model.get_layer("few").get_weights()
    model.get_layer("few").set_weights([np.sign(kernel) * np.where(np.abs(kernel) > 0.4, 0.51, 0.27), bias])
    graph, given = plain(model), pictures(40, 16)
    ready = replace(prepared(graph, given, ("few",)), kept=("kept",))
    notes: list[str] = []
    adaround(ready, graph, batches_of(given), told(notes))
    made = export(ready.simulation, ready.tied, ready.kept)
    assert (made.kernels["sparse"].integers.T[zero] == 0).all()
    assert len(np.unique(made.kernels["few"].integers)) <= 4
    assert np.array_equal(ready.simulation.get_layer("kept").kernel, model.get_layer("kept").kernel)
    assert [note.split()[1] for note in notes] == ["sparse:"]
