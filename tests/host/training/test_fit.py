"""The training loop against sums done by hand on models of one weight matrix."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

import bramble.training.reporter
from bramble.datasets.types import Dataset, Images
from bramble.errors import TrainingDiverged, UsageError
from bramble.events import EpochEnded, EpochStep, Event
from bramble.recipe import Train
from bramble.training.dropout import with_dropout
from bramble.training.fit import fit
from bramble.training.front import rescaling
from bramble.training.lesson import Lesson
from bramble.training.penalty import kernels, penalties
from bramble.training.rates import schedule
from bramble.training.softmax import ends_in_softmax
from bramble.work import Work
from bramble_agent.pixels import table
from bramble_agent.wire import Pixels, TensorSpec

DOT = Pixels(1, 1, "gray")  # pictures of one pixel


def dots(values: list[int], labels: list[int], held_out: list[int] | None = None) -> Dataset:
    """Pictures of one pixel; ``held_out`` are other labels for the same pictures."""
    pixels = np.array(values, dtype=np.uint8).reshape(-1, 1, 1, 1)
    train = Images(pixels, np.array(labels, dtype=np.int64))
    return Dataset(("0", "1"), train, Images(pixels, np.array(held_out or labels, dtype=np.int64)), train)


def line(*weights: float, activation: str | None = None) -> keras.Model:
    """Logits (or their softmax) = pixel · weights."""
    pixels = keras.Input((1, 1, 1))
    flat = keras.layers.Flatten()(pixels)
    dense = keras.layers.Dense(len(weights), use_bias=False, activation=activation)
    model = keras.Model(pixels, dense(flat), name="line")
    model.set_weights([np.array([weights], dtype=np.float32)])
    return model


def how(**changes: object) -> Train:
    """One epoch of plain training at a constant rate."""
    return Train.model_validate({"do": "train", "epochs": 1, "batch_size": 8, "schedule": "constant"} | changes)


def run(model: keras.Model, data: Dataset, settings: Train) -> list[Event]:
    """Train and give back what was told."""
    told: list[Event] = []
    fit(model, settings, Work(data, DOT, 1, told.append))
    return told


def cross_entropy(pixels: list[int], labels: list[int], weights: list[float]) -> float:
    """Mean −log softmax(pixel/255 · weights)[label], written out."""
    total = 0.0
    for pixel, label in zip(pixels, labels, strict=True):
        logits = [pixel / 255 * weight for weight in weights]
        total -= logits[label] - math.log(sum(math.exp(logit) for logit in logits))
    return total / len(pixels)


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_loss_and_first_step_by_hand(activation: str | None) -> None:
    """The loss is the cross-entropy plus both penalties; Adam's first step moves every weight by the rate.

    With weights (1, −2): l1·(1 + 2) + l2·(1 + 4). The step goes against the sign of the gradient, here l1·sign + l2·2w
    + the small pull of the data, so both weights shrink. Softmax outputs and logits give the same.
    """
    model = line(1.0, -2.0, activation=activation)
    told = run(model, dots([0, 255], [0, 1]), how(l1=0.5, l2=0.25, learning_rate=0.01))
    ended = told[-1]
    assert isinstance(ended, EpochEnded)
    expected = cross_entropy([0, 255], [0, 1], [1.0, -2.0]) + 0.5 * 3 + 0.25 * 5
    assert ended.loss == pytest.approx(expected, rel=1e-5)
    assert np.allclose(model.get_weights()[0], [[0.99, -1.99]], atol=1e-5)


def test_penalties_change_the_step_and_leave_no_trace() -> None:
    """Without penalties the same data pull the weights the other way; regularizers are as before afterwards."""
    plain, penalised = line(-1.0, 2.0), line(-1.0, 2.0)
    run(plain, dots([255, 255], [1, 1]), how(learning_rate=0.01))
    run(penalised, dots([255, 255], [1, 1]), how(learning_rate=0.01, l2=0.25))
    assert np.allclose(plain.get_weights()[0], [[-1.01, 2.01]], atol=1e-5)
    assert np.allclose(penalised.get_weights()[0], [[-0.99, 1.99]], atol=1e-5)
    assert [weight.regularizer for weight in penalised.weights] == [None]
    assert penalised.losses == []


def test_penalties_sit_on_kernels_only_and_are_restored() -> None:
    """Inside, Σ|w| and Σw² of the kernels are losses, biases are free; a model's own regularizer comes back, always."""
    own = keras.regularizers.L2(0.1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_regularizer=own)])
    model.set_weights([np.array([[3.0], [-4.0]]), np.array([100.0])])
    with penalties(model, how(l1=0.01, l2=0.001)):
        assert float(sum(model.losses)) == pytest.approx(0.01 * 7 + 0.001 * 25)
    with pytest.raises(RuntimeError, match="stop"), penalties(model, how(l1=0.01)):
        raise RuntimeError("stop")
    assert kernels(model)[0].regularizer is own
    with penalties(model, how()):
        assert kernels(model)[0].regularizer is own


def test_hanson_pratt_by_hand() -> None:
    """h·Σ|w|/(1 + |w|): 3/4 + 4/5 of the kernel, alone and beside the others; a zero has a finite slope."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.set_weights([np.array([[3.0], [-4.0], [0.0]]), np.array([100.0])])
    with penalties(model, how(hanson_pratt=0.1)):
        assert float(sum(model.losses)) == pytest.approx(0.1 * (3 / 4 + 4 / 5))
    with penalties(model, how(hanson_pratt=0.1, l1=0.01, l2=0.001)):
        assert float(sum(model.losses)) == pytest.approx(0.155 + 0.07 + 0.025)
    assert model.losses == []
    small = line(0.0, 0.0)
    run(small, dots([255, 0], [0, 1]), how(hanson_pratt=0.5, learning_rate=0.01))
    assert np.all(np.isfinite(small.get_weights()[0]))


def test_constant_schedule() -> None:
    """A constant rate is just that number."""
    assert schedule(how(learning_rate=0.3), 7) == 0.3


def test_cosine_schedule_by_hand() -> None:
    """rate·(0.01 + 0.99·(1 + cos(π·step/total))/2): all of it, 50.5 % in the middle, 1 % at the end."""
    rate = schedule(how(schedule="cosine", learning_rate=0.2, epochs=5), 8)
    assert not isinstance(rate, float)
    found = [float(rate(step)) for step in (0, 10, 20, 40, 50)]
    quarter = 0.01 + 0.99 * (1 + math.sqrt(0.5)) / 2
    assert found == pytest.approx([0.2, 0.2 * quarter, 0.2 * 0.505, 0.002, 0.002], rel=1e-5)


def test_hold_schedule_by_hand() -> None:
    """Ten batches: six at the rate, then a cosine over four, from all of it to 1 %."""
    rate = schedule(how(schedule="hold", learning_rate=0.2, epochs=5), 2)
    assert not isinstance(rate, float)
    found = [float(rate(step)) for step in (0, 5, 6, 8, 10)]
    assert found == pytest.approx([0.2, 0.2, 0.2, 0.2 * 0.505, 0.002], rel=1e-5)


def test_step_schedule_by_hand() -> None:
    """Eight batches: four at the rate, two at a tenth, two at a hundredth."""
    rate = schedule(how(schedule="step", learning_rate=1.0, epochs=4), 2)
    assert not isinstance(rate, float)
    found = [float(rate(step)) for step in range(8)]
    assert found == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_rates_reach_the_optimiser() -> None:
    """Adam moves a weight by the rate while the gradient keeps its sign: 1 + 1 + 0.1 + 0.01 in four single batches."""
    model = line(-1.0, 1.0)
    run(model, dots([255], [0]), how(schedule="step", learning_rate=1e-3, epochs=4))
    assert np.allclose(model.get_weights()[0], [[-1.0 + 0.00211, 1.0 - 0.00211]], atol=2e-6)


@pytest.mark.slow
def test_events_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each epoch tells its batches and then its figures: 5 pictures in batches of 2 are 3 steps."""
    monkeypatch.setattr(bramble.training.reporter, "TELL_EVERY_S", -1.0)
    told = run(line(0.0, 0.0), dots([10, 20, 30, 40, 50], [0, 1, 0, 1, 0]), how(epochs=2, batch_size=2))
    steps = [(e.epoch, e.epochs, e.done, e.steps) if isinstance(e, EpochStep) else type(e).__name__ for e in told]
    assert steps == [
        (1, 2, 1, 3),
        (1, 2, 2, 3),
        (1, 2, 3, 3),
        "EpochEnded",
        (2, 2, 1, 3),
        (2, 2, 2, 3),
        (2, 2, 3, 3),
        "EpochEnded",
    ]
    ended = [event for event in told if isinstance(event, EpochEnded)]
    assert [(event.epoch, event.epochs) for event in ended] == [(1, 2), (2, 2)]
    assert all(event.seconds > 0 for event in ended)


def test_steps_are_told_sparingly() -> None:
    """Batches that take no time are not all told."""
    told = run(line(0.0, 0.0), dots([9] * 64, [0] * 64), how(batch_size=1))
    assert len([event for event in told if isinstance(event, EpochStep)]) < 64


def test_held_out_is_watched_not_learned() -> None:
    """Accuracies are of each part: what is right for training is all wrong for the opposite labels."""
    told = run(line(-3.0, 3.0), dots([200, 250], [1, 1], held_out=[0, 0]), how())
    ended = told[-1]
    assert isinstance(ended, EpochEnded)
    assert (ended.accuracy, ended.held_out_accuracy) == (1.0, 0.0)


def test_early_stopping_restores_the_best_epoch() -> None:
    """Held-out labels opposite to training make the first epoch the best: it ends two later, with its weights."""
    data = dots([200, 250], [1, 1], held_out=[0, 0])
    once, stopped = line(0.5, -0.5), line(0.5, -0.5)
    run(once, data, how(learning_rate=0.1))
    told = run(stopped, data, how(learning_rate=0.1, epochs=20, patience=2))
    assert len([event for event in told if isinstance(event, EpochEnded)]) == 3
    assert np.array_equal(once.get_weights()[0], stopped.get_weights()[0])


def test_without_patience_all_epochs_run() -> None:
    """Patience 0 runs every epoch and keeps the last."""
    data = dots([200, 250], [1, 1], held_out=[0, 0])
    model = line(0.5, -0.5)
    told = run(model, data, how(learning_rate=0.1, epochs=4))
    assert len([event for event in told if isinstance(event, EpochEnded)]) == 4
    assert np.allclose(model.get_weights()[0], [[0.1, -0.1]], atol=0.02)


@pytest.mark.parametrize(
    ("settings", "high"), [({"learning_rate": 1e30, "epochs": 3}, 1.0), ({}, float("nan"))], ids=["rate", "inputs"]
)
def test_loss_that_is_no_number_is_an_error(settings: dict[str, float], high: float) -> None:
    """A rate far too high, and inputs that are no numbers, stop with advice instead of training on."""
    pixels = keras.Input((1, 1, 1))
    hidden = keras.layers.Dense(4, use_bias=False)(keras.layers.Flatten()(pixels))
    model = keras.Model(pixels, keras.layers.Dense(2, use_bias=False)(hidden))
    work = Work(dots([0, 255], [0, 1]), Pixels(1, 1, "gray", high=high), 1, lambda event: None)
    with pytest.raises(TrainingDiverged, match=r"the loss became (nan|inf) in epoch [123]") as caught:
        fit(model, how(**settings), work)
    assert "learning_rate" in caught.value.hint


def test_training_stops_at_the_very_step() -> None:
    """At a rate that overflows within a few updates, the rest of the epoch's 64 batches is never run."""
    seen: list[int] = []
    count = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: seen.append(batch))
    pixels = keras.Input((1, 1, 1))
    hidden = keras.layers.Dense(4, use_bias=False)(keras.layers.Flatten()(pixels))
    model = keras.Model(pixels, keras.layers.Dense(2, use_bias=False)(hidden))
    work = Work(dots([255] * 64, [0, 1] * 32), DOT, 1, lambda event: None)
    with pytest.raises(TrainingDiverged) as caught:
        fit(model, how(learning_rate=1e30, batch_size=1, epochs=3), work, Lesson(callbacks=(count,)))
    assert 2 <= len(seen) < 10
    assert f"in epoch 1, step {len(seen)} of 64" in caught.value.message


def test_dropout_is_set_on_every_layer() -> None:
    """All Dropout layers of the copy drop by the rate, also one made with rate 0; answers stay the model's."""
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((1000,)), layers.Dropout(0.0), layers.Rescaling(3.0), layers.Dense(2), layers.Dropout(0.9)]
    )
    copy = with_dropout(model, 0.25)
    assert [layer.rate for layer in copy.layers if isinstance(layer, layers.Dropout)] == [0.25, 0.25]
    assert [layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)] == [0.0, 0.9]
    ones = np.ones((1, 1000), np.float32)
    assert np.array_equal(copy(ones, training=False), model(ones, training=False))
    dropped = np.asarray(copy.layers[0](ones, training=True))
    assert set(dropped.ravel().tolist()) == {0.0, float(np.float32(1 / 0.75))}
    assert 180 < (dropped == 0).sum() < 320  # 250 are expected, with a deviation of 14


def test_dropout_without_such_layers_is_refused() -> None:
    """A dropout that no layer would apply is an error that names the model."""
    with pytest.raises(UsageError, match="the model line has no Dropout layer"):
        with_dropout(line(1.0), 0.5)


def test_softmax_ends_are_recognised() -> None:
    """A softmax as activation, as layer and as activation layer are all seen; logits and sigmoids are not."""
    layers = keras.layers

    def ends(*tail: keras.Layer) -> bool:
        return ends_in_softmax(keras.Sequential([keras.Input((3,)), *tail]))

    assert ends(layers.Dense(2, activation="softmax"))
    assert ends(layers.Dense(2), layers.Softmax())
    assert ends(layers.Dense(2), layers.Activation("softmax"))
    assert not ends(layers.Dense(2))
    assert not ends(layers.Softmax(), layers.Dense(2, activation="sigmoid"))


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)])
def test_training_sees_what_boards_see(low: float, high: float) -> None:
    """The rescaling in front of training and the agent's table give the same reals for all 256 pixel values."""
    pixels = Pixels(1, 1, "gray", low, high)
    ours = np.asarray(rescaling(pixels)(np.arange(256, dtype=np.uint8)))
    by_hand = np.array([low + p * (high - low) / 255 for p in range(256)])
    assert np.allclose(ours, by_hand, atol=1e-6 * max(1.0, high))
    assert np.allclose(table(pixels, TensorSpec("", (), "float32")), by_hand, atol=1e-6 * max(1.0, high))


def test_weights_that_are_no_numbers_are_told() -> None:
    """Statistics that became NaN behind a finite training loss are an error, not handed on."""
    pixels = keras.Input((1, 1, 1))
    normal = keras.layers.BatchNormalization()
    model = keras.Model(pixels, keras.layers.Dense(2)(keras.layers.Flatten()(normal(pixels))))
    normal.moving_mean.assign([np.nan])
    with pytest.raises(TrainingDiverged, match="weights are no longer numbers"):
        fit(model, how(), Work(dots([0, 255], [0, 1]), DOT, 1, lambda event: None))
