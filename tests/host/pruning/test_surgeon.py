"""The optimal brain surgeon against a slow one that takes one weight at a time, and against magnitudes."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
import pydantic
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.compress.prune import prune
from bramble.datasets.types import Dataset, Images
from bramble.held.masks import prunable
from bramble.pruning.surgeon import DAMPING, Surgeon, blocks, joined, removal_costs, unfolded
from bramble.recipe import Prune
from bramble.training.lesson import PLAIN
from bramble_agent.wire import Pixels

from ..conftest import GRAY8, quiet
from ..nets import copied

Array = NDArray[np.float64]
TWO = ("obs", "magnitude")


def how(**changes: object) -> Prune:
    """A fifth of the weights by surgery, without training."""
    return Prune.model_validate(
        {"do": "prune", "epochs": 0, "density": 0.2, "criterion": "obs", "remove_dead": False} | changes
    )


def mixed(inputs: int, seed: int = 1) -> Array:
    """H of 500 rows of inputs that depend on each other."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(500, inputs)) @ generator.normal(size=(inputs, inputs))
    return np.asarray(rows.T @ rows / 500)


def one_at_a_time(weights: Array, hessian: Array, left: int) -> Array:
    """Hassibi & Stork's loop: w −= w_q/[H⁻¹]_qq · H⁻¹_:q, H⁻¹ −= H⁻¹_:q·H⁻¹_q:/[H⁻¹]_qq, until ``left`` are left."""
    weights, inverse = weights.copy(), np.linalg.inv(hessian)
    gone: list[int] = []
    while len(weights) - len(gone) > left:
        costs = {q: weights[q] ** 2 / (2 * inverse[q, q]) for q in range(len(weights)) if q not in gone}
        q = min(costs, key=lambda one: costs[one])
        weights = weights - weights[q] / inverse[q, q] * inverse[:, q]
        inverse = inverse - np.outer(inverse[:, q], inverse[q]) / inverse[q, q]
        gone.append(q)
        weights[gone] = 0
    return weights


def error(change: Array, hessian: Array) -> float:
    """½·δᵀHδ."""
    return float(change @ hessian @ change / 2)


def solved(weights: Array, hessian: Array, kept: NDArray[np.intp]) -> Array:
    """The least error for a fixed support, by numpy's least squares on a root of H."""
    root = np.linalg.cholesky(hessian).T
    found = np.zeros_like(weights)
    found[kept] = np.linalg.lstsq(root[:, kept], root @ weights, rcond=None)[0]
    return found


@pytest.mark.parametrize("left", [1, 3, 6, 8])
def test_a_small_unit_is_cut_as_by_the_slow_surgeon(left: int) -> None:
    """Nine inputs go one at a time: the highest costs are the slow loop's survivors, whatever the number."""
    hessian, weights = mixed(9), np.random.default_rng(2).normal(size=9)
    costs = removal_costs(weights, np.linalg.inv(hessian))
    assert len(set(costs.tolist())) == 9
    assert set(np.argsort(costs)[9 - left :].tolist()) == set(np.flatnonzero(one_at_a_time(weights, hessian, left)))


def test_the_first_costs_by_hand() -> None:
    """H = diag(2, 4), w = (3, 1): ½·2·9 = 9 and ½·4·1 = 2."""
    assert removal_costs(np.array([3.0, 1.0]), np.diag([0.5, 0.25])).tolist() == pytest.approx([9.0, 2.0])


def test_rounds_come_close_to_one_at_a_time() -> None:
    """Of 60 inputs 12 stay: the error is at most a quarter above the slow surgeon's, magnitude's twice it."""
    hessian, weights = mixed(60), np.random.default_rng(2).normal(size=60)
    slow = error(one_at_a_time(weights, hessian, 12) - weights, hessian)
    kept = np.argsort(removal_costs(weights, np.linalg.inv(hessian)))[48:]
    assert slow * 0.8 < error(solved(weights, hessian, kept) - weights, hessian) < slow * 1.25
    largest = np.where(np.abs(weights) >= np.sort(np.abs(weights))[48], weights, 0)
    assert error(largest - weights, hessian) > 2 * slow


def dense(weights: Array) -> keras.Model:
    """One dense layer on pictures of 3 x 3."""
    pixels = keras.Input((3, 3, 1))
    model = keras.Model(pixels, layers.Dense(weights.shape[1], use_bias=False, name="d")(layers.Flatten()(pixels)))
    model.set_weights([weights])
    return model


def pictures(count: int, *shape: int) -> Images:
    """Pictures whose neighbours are alike."""
    generator = np.random.default_rng(3)
    smooth = np.cumsum(generator.integers(-40, 41, (count, *shape)), axis=2) + 128
    return Images(np.clip(smooth, 0, 255).astype(np.uint8), generator.integers(0, 2, count))


def test_a_layer_from_pictures_to_weights() -> None:
    """H of the pictures, masks and weights of each unit are the slow surgeon's on a layer 9 → 4."""
    weights = np.random.default_rng(4).normal(size=(9, 4))
    model, images = dense(weights), pictures(100, 3, 3, 1)
    rows = images.pixels.reshape(100, 9) / 255
    hessian = rows.T @ rows / 100
    hessian += DAMPING * np.trace(hessian) / 9 * np.eye(9)
    surgeon = Surgeon.of(model, prunable(model), images, Pixels(3, 3, "gray"))
    assert np.allclose(surgeon.hessians[0][0], hessian, atol=1e-5)
    (costs,) = surgeon.saliencies([np.ones((9, 4), bool)])
    kept = np.argsort(np.argsort(costs, axis=0), axis=0) >= 5
    surgeon.compensate(prunable(model), [kept])
    for unit in range(4):
        slow = one_at_a_time(weights[:, unit], hessian, 4)
        assert np.array_equal(model.get_weights()[0][:, unit] != 0, slow != 0)
        assert np.allclose(model.get_weights()[0][:, unit], slow, atol=1e-3)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(6, 3, use_bias=False),
        layers.Conv2D(6, (3, 2), strides=2, padding="same", use_bias=False),
        layers.Conv2D(6, 3, dilation_rate=2, padding="same", use_bias=False),
        layers.Conv2D(6, 3, groups=2, use_bias=False),
        layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same", use_bias=False),
        layers.Dense(5, use_bias=False),
    ],
    ids=["plain", "strided", "dilated", "grouped", "depthwise", "dense"],
)
def test_rows_times_blocks_are_the_layer(layer: keras.Layer) -> None:
    """What is unfolded, times the kernel's blocks, is what Keras computes, channel by channel; blocks join again."""
    value = np.random.default_rng(1).normal(size=(2, 7, 6, 4)).astype(np.float32)
    answer = np.asarray(layer(value))
    kernel = np.asarray(layer.kernel, np.float64)
    parts = np.matmul(unfolded(layer, value), blocks(layer, kernel))  # [groups, rows, units]
    assert np.allclose(parts.transpose(1, 0, 2).reshape(answer.shape), answer, atol=1e-4)
    assert np.array_equal(joined(layer, blocks(layer, kernel)), kernel)


def gap(found: Any, expected: Any) -> float:
    """The mean squared difference."""
    return float(np.square(np.asarray(found) - np.asarray(expected)).mean())


def test_outputs_are_closer_than_by_magnitude(trained: keras.Model, digits: Dataset) -> None:
    """A fifth of each layer: with the dense model's inputs, its output is closer to what it was than by magnitude.

    So are the whole model's answers; both on pictures that the surgeon has not seen.
    """
    names = [layer.name for layer in prunable(trained)]
    seen = digits.held_out.pixels / np.float32(255)
    inputs = keras.Model(trained.input, [trained.get_layer(name).input for name in names])(seen)
    models = [prune(copied(trained), how(scope="local", criterion=one), quiet(digits), PLAIN) for one in TWO]
    for name, value in zip(names, inputs, strict=True):
        surgery, largest = (gap(one.get_layer(name)(value), trained.get_layer(name)(value)) for one in models)
        assert surgery < 0.8 * largest, name
    surgery, largest = (gap(one(seen), trained(seen)) for one in models)
    assert surgery < 0.8 * largest


def counts(model: keras.Model) -> list[int]:
    """Kernel weights that are not zero, by layer."""
    return [int(np.count_nonzero(np.asarray(layer.kernel))) for layer in prunable(model)]


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, 1834),
        ({"scope": "local"}, [29, 922, 819, 64]),
        pytest.param({"scope": "sensitivity"}, 1834, marks=pytest.mark.slow),
        pytest.param({"epochs": 2, "phases": "alternate"}, 1834, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_every_target_works(
    trained: keras.Model, digits: Dataset, changes: dict[str, object], left: int | list[int]
) -> None:
    """A fifth of 9,168 over all, or of each layer; training keeps it."""
    found = counts(prune(copied(trained), how(**changes), quiet(digits), PLAIN))
    assert found == left if isinstance(left, list) else sum(found) == left


def test_quality_and_names_give_shares(trained: keras.Model, digits: Dataset) -> None:
    """Han's threshold says how many of a layer stay, the surgeon which; a factor keeps all of the last layer."""
    threshold = how(density=None, quality=1.0)
    by_size = prune(copied(trained), threshold.model_copy(update={"criterion": "magnitude"}), quiet(digits), PLAIN)
    assert counts(prune(copied(trained), threshold, quiet(digits), PLAIN)) == counts(by_size)
    last = prunable(trained)[-1].name
    assert counts(prune(copied(trained), how(weights={last: 1e9}), quiet(digits), PLAIN))[-1] == 320


def test_surgery_on_a_pruned_model_fills_no_zeros(trained: keras.Model, digits: Dataset) -> None:
    """A second surgery goes on from the first one's survivors."""
    once = prune(copied(trained), how(), quiet(digits), PLAIN)
    twice = prune(copied(once), how(density=0.1), quiet(digits), PLAIN)
    assert sum(counts(twice)) == 917
    for old, new in itertools.zip_longest(prunable(once), prunable(twice)):
        assert not np.any((np.asarray(old.kernel) == 0) & (np.asarray(new.kernel) != 0))


def test_inputs_that_are_always_zero_are_no_trouble() -> None:
    """Black pictures: nothing is learned of any weight, and the largest ones stay as they are."""
    model = dense(np.arange(1.0, 10.0)[:, None])
    images = Images(np.zeros((4, 3, 3, 1), np.uint8), np.zeros(4, np.int64))
    surgeon = Surgeon.of(model, prunable(model), images, GRAY8)
    (costs,) = surgeon.saliencies([np.ones((9, 1), bool)])
    assert costs.ravel().tolist() == pytest.approx([w * w / 2 for w in range(1, 10)])


@pytest.mark.parametrize("changes", [{"regrow": True, "epochs": 2}, {"survivors": "reinitialise"}], ids=str)
def test_what_undoes_the_surgery_is_refused(changes: dict[str, object]) -> None:
    """Survivors that were solved for are neither drawn anew nor exchanged."""
    with pytest.raises(pydantic.ValidationError, match='criterion = "obs" solves for the survivors'):
        how(**changes)
