"""Sensitivity: curves against a model pruned by hand, allocations solved by hand, and sense on a made-up model."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from bramble.datasets.types import Dataset, Images
from bramble.held.masks import prunable
from bramble.pruning import scores
from bramble.pruning.sensitivity import DENSITIES, Curves, Point, allocate, scan
from bramble_agent.wire import Pixels

from ..conftest import GRAY8
from ..nets import copied


def curve(*pairs: tuple[float, float]) -> tuple[Point, ...]:
    """Points of (density, loss)."""
    return tuple(Point(density, 0.0, loss) for density, loss in pairs)


def test_curves_are_the_model_pruned_alone(trained: keras.Model, digits: Dataset) -> None:
    """Accuracy and loss of one layer at a fifth, by Keras' own metrics; afterwards the model is as before."""
    model, before = copied(trained), trained.get_weights()
    some = digits.train.take(np.arange(300))
    chosen = prunable(model)
    curves = scan(model, chosen, scores.magnitude(chosen), some, GRAY8)
    assert list(curves) == [layer.name for layer in chosen]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))
    kernel = np.asarray(chosen[1].kernel)
    limit = np.sort(np.abs(kernel).ravel())[-round(0.2 * kernel.size)]
    chosen[1].kernel.assign(np.where(np.abs(kernel) >= limit, kernel, 0))
    answers = model((some.pixels / 255).astype(np.float32), training=False)
    point = next(one for one in curves[chosen[1].name] if one.density == 0.2)
    assert point.accuracy == np.mean(np.asarray(answers).argmax(1) == some.labels)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(some.labels, answers)
    assert point.loss == pytest.approx(float(loss), rel=1e-5)


def test_curves_go_from_whole_to_one_weight(trained: keras.Model, digits: Dataset) -> None:
    """All densities that leave at least a weight, then a single one; all begin at the whole model."""
    model = copied(trained)
    first = prunable(model)[:1]
    (points,) = scan(model, first, scores.magnitude(first), digits.train.take(np.arange(50)), GRAY8).values()
    assert [point.density for point in points] == [*DENSITIES, 1 / 144]


def test_allocation_by_hand() -> None:
    """Rises 1 − d and 2·(1 − d) are equal at d = 0.2 and 0.6: together 0.4 of two equal layers."""
    curves: Curves = {"dull": curve((1, 5), (0, 6)), "keen": curve((1, 5), (0, 7))}
    assert allocate(curves, {"dull": 1000, "keen": 1000}, 0.4) == {"dull": 0.2, "keen": 0.6}


def test_allocation_by_hand_with_sizes() -> None:
    """The same shares with three times as many dull weights are 0.3 of all."""
    curves: Curves = {"dull": curve((1, 5), (0, 6)), "keen": curve((1, 5), (0, 7))}
    assert allocate(curves, {"dull": 3000, "keen": 1000}, 0.3) == {"dull": 0.2, "keen": 0.6}


def test_a_dip_is_no_gain() -> None:
    """Losing weights that hurt does not count: curves never fall, layers that lose nothing share alike."""
    curves: Curves = {"a": curve((1, 1), (0.5, 0.8), (0.01, 1)), "b": curve((1, 1), (0.5, 1), (0.01, 1))}
    assert allocate(curves, {"a": 100, "b": 100}, 0.3) == {"a": 0.3, "b": 0.3}


@given(
    st.lists(
        st.tuples(st.integers(1, 5000), st.lists(st.floats(0, 10), min_size=3, max_size=3)), min_size=1, max_size=5
    ),
    st.floats(0.001, 1),
)
def test_the_total_is_exact(made: list[tuple[int, list[float]]], density: float) -> None:
    """Whatever the curves, the shares are whole weights in (0, 1] and add up, but for one weight a layer at least."""
    curves = {
        str(number): curve(*zip((1.0, 0.5, 0.1, 0.0), (1.0, *losses), strict=True)) if size > 1 else curve((1.0, 1.0))
        for number, (size, losses) in enumerate(made)
    }
    sizes = {str(number): size for number, (size, _) in enumerate(made)}
    found = allocate(curves, sizes, density)
    kept = [found[name] * sizes[name] for name in curves]
    assert all(0 < share <= 1 for share in found.values())
    assert kept == pytest.approx([round(count) for count in kept])
    assert round(sum(kept)) == max(round(density * sum(sizes.values())), len(sizes))


def test_the_essential_layer_keeps_more() -> None:
    """Layer "copies" is a dense layer with 64 inputs of which 60 are never on; "sense" tells four classes apart."""
    pixels = keras.Input((1, 4, 1))
    x = layers.Flatten()(pixels)
    x = layers.Dense(64, name="sense")(x)
    model = keras.Model(pixels, layers.Dense(4, name="copies")(x))
    generator = np.random.default_rng(1)
    spread = generator.normal(size=(4, 64)) * 0.1
    spread[:, :4] = 3 * np.eye(4)
    gather = generator.normal(size=(64, 4)) * 1e-4
    gather[:4] = 3 * np.eye(4)
    mixed = np.linalg.qr(generator.normal(size=(4, 4)))[0]  # turned, so that each weight of "sense" counts
    model.get_layer("sense").set_weights([np.concatenate([mixed * 3] * 16, 1), np.zeros(64)])
    kernel = np.zeros((64, 4))
    kernel[:4] = mixed.T * 3
    kernel[4:] = gather[4:]
    model.get_layer("copies").set_weights([kernel, np.zeros(4)])
    labels = generator.integers(0, 4, 400)
    bright = (np.eye(4)[labels] * 200 + generator.integers(0, 50, (400, 4))).astype(np.uint8)
    images = Images(bright.reshape(400, 1, 4, 1), labels)
    chosen = prunable(model)
    curves = scan(model, chosen, scores.magnitude(chosen), images, Pixels(1, 4, "gray"))
    found = allocate(curves, {"sense": 256, "copies": 256}, 0.3)
    assert curves["copies"][5].loss == pytest.approx(curves["copies"][0].loss, abs=1e-2)
    assert found["sense"] > 2 * found["copies"]
    assert found["sense"] + found["copies"] == pytest.approx(0.6, abs=2 / 256)
