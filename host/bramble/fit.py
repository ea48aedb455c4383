"""The one training loop: Keras' own ``fit`` around the model, with rescaling and augmentation in front of it.

The training graph is uint8 pixels → rescale → augment → model, so the data stays uint8 in memory and any Keras backend
can run it. What comes out is the model alone; rescaling is the bundle's business (``bramble_agent.pixels``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from bramble.datasets.types import Dataset
from bramble.errors import TrainingDiverged, UsageError
from bramble.events import EpochEnded, EpochStep, OnEvent
from bramble.recipe import Augment, Train
from bramble_agent.wire import Pixels

TELL_EVERY_S = 0.2


def fit(model: keras.Model, data: Dataset, how: Train, pixels: Pixels, on_event: OnEvent) -> None:
    """Train ``model`` in place on ``data.train``, watching ``data.held_out``.

    Raises TrainingDiverged where the loss is no longer a number.
    """
    steps = math.ceil(len(data.train) / how.batch_size)
    trainer = keras.Sequential([keras.Input(data.train.pixels.shape[1:], dtype="uint8")])
    trainer.add(rescaling(pixels))
    for layer in augmentation(how.augment, pixels):
        trainer.add(layer)
    trainer.add(model)
    trainer.compile(
        optimizer=keras.optimizers.Adam(schedule(how, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=not ends_in_softmax(model)),
        metrics=["accuracy"],
    )
    callbacks: list[keras.callbacks.Callback] = [_Reporter(how.epochs, steps, on_event)]
    if how.patience:
        callbacks.append(keras.callbacks.EarlyStopping("val_loss", patience=how.patience, restore_best_weights=True))
    with penalties(model, how.l1, how.l2):
        trainer.fit(
            data.train.pixels,
            data.train.labels,
            batch_size=how.batch_size,
            epochs=how.epochs,
            validation_data=(data.held_out.pixels, data.held_out.labels),
            validation_batch_size=512,
            callbacks=callbacks,
            verbose=0,
        )
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise TrainingDiverged("some weights are no longer numbers", "lower learning_rate, or check the data")


def schedule(how: Train, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate over the ``steps`` batches of each epoch."""
    total = how.epochs * steps
    if how.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(how.learning_rate, total, alpha=0.01)
    if how.schedule == "step":
        rates = [how.learning_rate, how.learning_rate / 10, how.learning_rate / 100]
        last = [total // 2 - 1, total * 3 // 4 - 1]  # Keras counts steps from 0 and changes after a boundary
        return keras.optimizers.schedules.PiecewiseConstantDecay(last, rates)
    return how.learning_rate


def augmentation(how: Augment, pixels: Pixels) -> list[keras.Layer]:
    """Keras' random layers for what the recipe switches on, in the order shift, rotate, zoom, contrast, flip."""
    layers: list[keras.Layer] = []
    if how.shift:
        layers.append(keras.layers.RandomTranslation(how.shift / pixels.height, how.shift / pixels.width, "nearest"))
    if how.rotate:
        layers.append(keras.layers.RandomRotation(how.rotate / 360.0, "nearest"))
    if how.zoom:
        layers.append(keras.layers.RandomZoom(how.zoom, fill_mode="nearest"))
    if how.contrast:
        layers.append(keras.layers.RandomContrast(how.contrast, value_range=(pixels.low, pixels.high)))
    if how.flip:
        layers.append(keras.layers.RandomFlip("horizontal"))
    return layers


def rescaling(pixels: Pixels) -> keras.Layer:
    """The layer that maps pixel values 0..255 to the model's real values."""
    return keras.layers.Rescaling((pixels.high - pixels.low) / 255.0, pixels.low)


def ends_in_softmax(model: keras.Model) -> bool:
    """Whether the model's output is probabilities (a softmax) rather than logits."""
    last = model.layers[-1]
    return isinstance(last, keras.layers.Softmax) or getattr(last, "activation", None) is keras.activations.softmax


def with_dropout(model: keras.Model, rate: float) -> keras.Model:
    """A copy of ``model``, weights included, with this rate in all Dropout layers.

    A copy, because Keras gives a layer that was made with rate 0 no random numbers. Raises UsageError where there is
    no such layer.
    """

    def copied(layer: keras.Layer) -> keras.Layer:
        changed = {"rate": rate} if isinstance(layer, keras.layers.Dropout) else {}
        return layer.__class__.from_config(layer.get_config() | changed)

    if not any(isinstance(layer, keras.layers.Dropout) for layer in model.layers):
        raise UsageError(f"dropout = {rate}: the model {model.name} has no Dropout layer", "add one, or leave it out")
    copy = keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    return copy


def kernels(model: keras.Model) -> list[Any]:
    """The weights that multiply (kernels of dense, convolution and depthwise layers), not biases or statistics."""
    return [weight for weight in model.trainable_weights if len(weight.shape) > 1]


@contextmanager
def penalties(model: keras.Model, l1: float, l2: float) -> Iterator[None]:
    """While inside, the loss has l1·Σ|w| + l2·Σw² over all kernels added to it."""
    weights = kernels(model) if l1 or l2 else []
    before = [weight.regularizer for weight in weights]
    for weight in weights:
        weight.regularizer = keras.regularizers.L1L2(l1, l2)
    try:
        yield
    finally:
        for weight, regularizer in zip(weights, before, strict=True):
            weight.regularizer = regularizer


class _Reporter(keras.callbacks.Callback):  # type: ignore[misc]
    """Turns Keras' callbacks into events, and a loss that is no number into an error."""

    def __init__(self, epochs: int, steps: int, on_event: OnEvent) -> None:
        super().__init__()
        self._epochs, self._steps, self._on_event = epochs, steps, on_event
        self._epoch, self._began, self._told = 0, 0.0, 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note when the epoch began."""
        self._epoch, self._began = epoch + 1, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Tell, now and then, how far the epoch is."""
        now = time.perf_counter()
        if now - self._told > TELL_EVERY_S:
            self._told = now
            self._on_event(EpochStep(self._epoch, self._epochs, batch + 1, self._steps))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tell the epoch's figures; stop where the loss is no number."""
        if not math.isfinite(logs["loss"]):
            raise TrainingDiverged(
                f"the loss became {logs['loss']} in epoch {self._epoch}", "lower learning_rate, or check the data"
            )
        seconds = time.perf_counter() - self._began
        loss, accuracy, held_out = (float(logs[name]) for name in ("loss", "accuracy", "val_accuracy"))
        self._on_event(EpochEnded(self._epoch, self._epochs, loss, accuracy, held_out, seconds))
