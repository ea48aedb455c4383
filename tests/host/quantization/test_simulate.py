"""Fake-quants by hand: values, gradients of value and step, and that a simulation rounds what it says."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from bramble.quantization.fold import fold
from bramble.quantization.places import places
from bramble.quantization.plain import plain
from bramble.quantization.simulate import FakeQuant, grid_of, settled, simulate

from .graphs import BODIES, around, located, pictures


def test_grid_of_a_range() -> None:
    """0 … 1 has zero point 0 and steps of 1/255; −1 … 1 meets 0 exactly; what lies above 0 is drawn down to it."""
    assert grid_of((0.0, 1.0)) == (pytest.approx(1 / 255), 0)
    assert grid_of((-1.0, 1.0)) == (pytest.approx(2 / 255), 128)
    assert grid_of((2.0, 51.0)) == (pytest.approx(0.2), 0)
    assert grid_of((-25.5, -1.0)) == (pytest.approx(0.1), 255)


@pytest.mark.parametrize("learned", [False, True])
def test_values(learned: bool) -> None:
    """Step 0.5, zero point 100: −50 … 77.5, rounded to halves."""
    layer = FakeQuant(0.5, 100, learned)
    got = np.asarray(layer(np.array([[-99.0, -50.0, -0.3, 0.2, 0.3, 12.74, 77.5, 99.0]], np.float32)))
    assert got.tolist() == [[-50.0, -50.0, -0.5, 0.0, 0.5, 12.5, 77.5, 77.5]]


def test_gradients_are_those_of_lsq() -> None:
    """d/dx is 1 inside, 0 beyond; d/d log s is s·(round(x/s) − x/s) inside, s·(−z) or s·(255 − z) beyond."""
    layer = FakeQuant(0.5, 100, True)
    x = tf.constant([[-60.0, 0.2, 0.6, 90.0]])
    layer(x)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        parts = tf.unstack(layer(x)[0])
    assert [float(tape.gradient(part, x)[0, n]) for n, part in enumerate(parts)] == [0.0, 1.0, 1.0, 0.0]
    by_hand = [0.5 * -100, 0.5 * (0 - 0.4), 0.5 * (1 - 1.2), 0.5 * 155]
    found = [float(tape.gradient(part, layer.log_step.value)) for part in parts]
    assert found == pytest.approx(by_hand, rel=1e-5)


def test_simulation_rounds_each_place() -> None:
    """Behind every FakeQuant lie at most 256 values; where a range is shared, one layer rounds."""
    model = around(BODIES["concat"])
    where = located(model)
    ranges = {name: (-2.0, 3.0) for name in where.measured.values() if name not in where.fixed}
    simulation = simulate(fold(plain(model)), where, ranges)
    rounders = [layer for layer in simulation.layers if isinstance(layer, FakeQuant)]
    assert len(rounders) == len(set(where.range_of.values()))
    both = simulation.get_layer("both").output
    values = np.asarray(keras.Model(simulation.inputs, both)([pictures()])) * 255 / 5
    assert np.allclose(values, np.round(values), atol=1e-3)
    assert len(np.unique(np.round(values))) > 20


def test_learned_ranges_settle() -> None:
    """A settled simulation answers as the learned one does, with its ranges as numbers."""
    rows = keras.Input((4,), name="rows")
    model = keras.Model(rows, layers.Dense(3, name="out")(rows))
    learning = simulate(model, places(model), {"rows": (0.0, 1.0), "out": (-1.0, 1.0)}, learned=True)
    for layer in learning.layers:
        if isinstance(layer, FakeQuant):
            layer.log_step.assign(layer.log_step + 0.3)
    fixed = settled(learning)
    given = pictures(16, 4)
    assert np.allclose(np.asarray(fixed(given)), np.asarray(learning(given)), atol=1e-6)
    assert not [weight for layer in fixed.layers if isinstance(layer, FakeQuant) for weight in layer.weights]
    assert [layer.zero_point for layer in fixed.layers if isinstance(layer, FakeQuant)] == [0, 128]
