"""Quantization-aware training: it learns through the roundings, and what was before it stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from bramble.compress.aware import Best, aware
from bramble.compress.quantize import quantize
from bramble.compress.train import train
from bramble.datasets.types import Dataset, Images
from bramble.quantization.export import export
from bramble.quantization.prepare import prepare
from bramble.quantization.simulate import FakeQuant
from bramble.recipe import Train
from bramble.recipe_quantize import Quantize
from bramble.stages import run_stage
from bramble.tflite import read_graph
from bramble.training.lesson import PLAIN, Lesson

from ..conftest import quiet
from ..nets import copied


def how(**changes: Any) -> Quantize:
    """Two epochs on the digits, some keys of aware changed."""
    tuning = {"epochs": 2, "batch_size": 64, "learning_rate": 1e-3} | changes
    return Quantize.model_validate({"do": "quantize", "calibration": 100, "aware": tuning})


def normed() -> keras.Model:
    """conv, norm, ReLU → depthwise, norm, ReLU → pool → dense, for the digits."""
    keras.utils.set_random_seed(3)
    x = pixels = keras.Input((8, 8, 1))
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(layers.Conv2D(8, 3, use_bias=False, name="conv")(x)))
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(layers.DepthwiseConv2D(3, name="deep")(x)))
    return keras.Model(pixels, layers.Dense(10, name="out")(layers.Flatten()(layers.MaxPooling2D(2)(x))), name="normed")


def few(digits: Dataset, count: int) -> Dataset:
    """The first training pictures alone."""
    return Dataset(digits.labels, digits.train.take(np.arange(count)), digits.held_out, digits.test)


def test_learns_and_leaves_the_model_alone(digits: Dataset) -> None:
    """A model that was trained for an epoch learns on, rounded all the while; the model itself is untouched."""
    model = train(normed(), Train(do="train", epochs=2, batch_size=32, learning_rate=3e-3), quiet(digits))
    before = model.get_weights()
    stage = how(epochs=4, learning_rate=3e-3)
    ready = aware(model, stage, quiet(digits), PLAIN)
    made = quantize(model, stage, quiet(digits), ready)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    pictures = (digits.test.pixels / 255).astype(np.float32)
    right, first = (
        (np.asarray(one(pictures)).argmax(1) == digits.test.labels).mean()
        for one in (export(ready.simulation).simulation, model)
    )
    assert right > max(0.75, first + 0.05)
    assert made.audit.failures == ()
    assert made.audit.kernels == 3
    assert made.audit.simulation_max_lsb is not None
    assert made.audit.simulation_max_lsb < 3


@pytest.mark.slow
def test_ranges_are_trained_and_norms_settle(digits: Dataset) -> None:
    """Steps of activations move; with settle = 1 the statistics of norms do not, their scale and shift do."""
    model = normed()
    start = prepare(model, how(), quiet(digits), learned=True).simulation
    for settle in (0.0, 1.0):
        done = aware(model, how(settle=settle, epochs=1), quiet(few(digits, 256)), PLAIN).simulation
        steps = [
            [
                float(np.asarray(layer.log_step))
                for layer in one.layers
                if isinstance(layer, FakeQuant) and layer.learned
            ]
            for one in (start, done)
        ]
        assert len(steps[0]) == 3
        assert all(a != b for a, b in zip(*steps, strict=True))
        norms = [layer for layer in done.layers if isinstance(layer, layers.BatchNormalization)]
        moved = [np.abs(np.asarray(norm.moving_mean)).max() > 0 for norm in norms]
        assert moved == [settle == 0.0] * 2
        assert all(np.abs(np.asarray(norm.gamma) - 1).max() > 0 for norm in norms)
        assert {type(norm) for norm in norms} == {layers.BatchNormalization}


@pytest.mark.slow
def test_zeros_stay_zeros(trained: keras.Model, digits: Dataset) -> None:
    """What a pruning removed is 0 in the file too; no other weight is taken for pruned because it rounds to 0."""
    model = copied(trained)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([np.where(np.abs(kernel) < np.quantile(np.abs(kernel), 0.7), 0.0, kernel), bias])
    stage = how()
    made = quantize(model, stage, quiet(few(digits, 256)), aware(model, stage, quiet(few(digits, 256)), PLAIN))
    theirs = [layer.get_weights()[0] for layer in model.layers if layer.weights]
    for kernel, weights in zip(read_graph(made.tflite).weights(), theirs, strict=True):
        assert kernel.value is not None
        held = np.moveaxis(kernel.value, 0, -1)
        assert not held[weights == 0].any()
        assert np.count_nonzero(held) > 0.25 * held.size


@pytest.mark.slow
def test_small_weights_are_not_taken_for_pruned(trained: keras.Model, digits: Dataset) -> None:
    """Weights of an unpruned model that round to 0 go on learning: nothing is held."""
    told: list[Any] = []
    work = quiet(few(digits, 128))
    work = type(work)(work.data, work.pixels, work.seed, told.append)
    aware(trained, how(epochs=1), work, PLAIN)
    assert not [event for event in told if "zeros" in getattr(event, "text", "")]


@pytest.mark.slow
def test_clusters_stay_clusters(trained: keras.Model, digits: Dataset) -> None:
    """A kernel of 8 values has at most 8 integers afterwards, the same weights together, and they have learnt."""
    model = copied(trained)
    shared = {}
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            codebook = np.linspace(kernel.min(), kernel.max(), 8).astype(np.float32)
            values = codebook[np.abs(kernel[..., None] - codebook).argmin(-1)]
            layer.set_weights([values, bias])
            shared[layer.name] = values
    stage = how()
    ready = aware(model, stage, quiet(few(digits, 512)), PLAIN)
    made = quantize(model, stage, quiet(digits), ready)
    assert set(ready.tied) == set(shared)
    for kernel, values in zip(read_graph(made.tflite).weights(), shared.values(), strict=True):
        assert kernel.value is not None
        held = np.moveaxis(kernel.value, 0, -1)
        assert len(np.unique(held)) <= 8
        for value in np.unique(values):
            assert len(np.unique(held[values == value])) == 1
        assert len(set(kernel.scales)) == 1
    start = prepare(model, stage, quiet(digits)).tied
    assert any((start[name] != ready.tied[name]).any() for name in start)


@pytest.mark.slow
def test_shared_values_are_held_once(trained: keras.Model, digits: Dataset) -> None:
    """The stage holds them itself, so the training loop does not too: gradients would be summed twice over."""
    model = copied(trained)
    layer = next(layer for layer in model.layers if layer.weights)
    kernel, bias = layer.get_weights()
    layer.set_weights([np.sign(kernel) * 0.1, bias])
    told: list[Any] = []
    work = quiet(few(digits, 128))
    aware(model, how(epochs=1), type(work)(work.data, work.pixels, work.seed, told.append), PLAIN)
    assert not [event for event in told if "keep_shared" in getattr(event, "text", "")]


def test_best_epoch_is_given_back() -> None:
    """Of epochs with 0.5, 0.7, 0.7, 0.6 the third is kept."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    best = Best(model)
    for epoch, accuracy in enumerate((0.5, 0.7, 0.7, 0.6)):
        model.set_weights([np.full((1, 1), epoch), np.zeros(1)])
        best.on_epoch_end(epoch, {"val_accuracy": accuracy})
    best.on_train_end()
    assert model.get_weights()[0].item() == 2.0


@pytest.mark.slow
def test_teacher_teaches(trained: keras.Model, digits: Dataset) -> None:
    """With alpha = 1 and wrong labels a model still becomes like its teacher, here itself before rounding."""
    wrong = Images(digits.train.pixels, (digits.train.labels + 1) % 10)
    data = Dataset(digits.labels, wrong, Images(digits.held_out.pixels, (digits.held_out.labels + 1) % 10), digits.test)
    ready = aware(trained, how(epochs=1), quiet(data), Lesson(trained, alpha=1.0))
    pictures = (digits.test.pixels / 255).astype(np.float32)
    ours, theirs = (np.asarray(one(pictures, training=False)).argmax(1) for one in (ready.simulation, trained))
    assert np.mean(ours == theirs) > 0.95


@pytest.mark.slow
def test_stage_with_its_own_teacher(trained: keras.Model, digits: Dataset, tmp_path: Path) -> None:
    """The stage hands aware its teacher; the facts hold the audit, the float file is that of the model before."""
    facts = run_stage(how(epochs=1, teacher="self"), trained, trained, quiet(few(digits, 256)), tmp_path)
    assert facts["audit"]["kernels"] == 4
    assert facts["audit"]["failures"] == []
    assert facts["accuracy"] > 0.8
    first = read_graph((tmp_path / "float.tflite").read_bytes()).weights()[0].value
    assert first is not None
    assert np.array_equal(np.moveaxis(first, 0, -1), trained.get_weights()[0])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"scheme": "float16", "aware": {}}, 'aware trains for scheme = "int8"'),
        ({"aware": {"dropout": 0.5}}, "uses no dropout"),
        ({"aware": {"patience": 2}}, "keeps its best epoch"),
    ],
)
def test_recipes_that_cannot_be(table: dict[str, Any], said: str) -> None:
    """Knobs that would have no effect are refused."""
    with pytest.raises(ValueError, match=said):
        Quantize.model_validate({"do": "quantize"} | table)
