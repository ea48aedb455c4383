"""The one training loop: Keras' own ``fit`` around the model, with rescaling and augmentation in front of it.

The training graph is uint8 pixels → rescale → augment → model, so the data stays uint8 in memory and any Keras backend
can run it. What comes out is the model alone; rescaling is the bundle's business (``bramble_agent.pixels``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from bramble.copying import copy_weights
from bramble.errors import RecipeError, TrainingDiverged, UsageError
from bramble.reporter import Reporter
from bramble.sharing import shared_kept
from bramble.tuning import Augment, Tuning
from bramble.work import Work
from bramble.zeros import zeros_kept
from bramble_agent.pixels import CHANNELS
from bramble_agent.wire import Pixels


@dataclass(frozen=True)
class Lesson:
    """What a model learns besides labels: from whom, how softly, and what holds meanwhile.

    ``hints`` and ``attention`` name pairs of student and teacher layers. ``callbacks`` are Keras callbacks, for
    techniques that change something while training goes on; early stopping lets the first ``unsettled`` epochs pass.
    ``loss`` takes labels and logits; without one it is the cross-entropy.
    """

    teacher: keras.Model | None = None
    temperature: float = 4.0
    alpha: float = 0.9
    hints: tuple[tuple[str, str], ...] = ()
    attention: tuple[tuple[str, str], ...] = ()
    hint_weight: float = 1.0
    callbacks: tuple[keras.callbacks.Callback, ...] = ()
    unsettled: int = 0
    loss: keras.losses.Loss | None = None


PLAIN = Lesson()


def fit(model: keras.Model, how: Tuning, work: Work, lesson: Lesson = PLAIN) -> None:
    """Train ``model`` in place on the training set, watching the held-out part; nothing happens for 0 epochs.

    Raises TrainingDiverged at the step where the loss is no longer a number.
    """
    if not how.epochs:
        return
    steps = math.ceil(len(work.data.train) / how.batch_size)
    trainer = Trainer(front(how.augment, work.pixels), model, lesson)
    trainer.compile(
        optimizer=keras.optimizers.Adam(schedule(how, steps)),
        loss=lesson.loss or keras.losses.SparseCategoricalCrossentropy(from_logits=not ends_in_softmax(model)),
        loss_weights=1.0 if lesson.teacher is None else 1.0 - lesson.alpha,
        metrics=["accuracy"],
    )
    callbacks = [Reporter(how.epochs, steps, work.on_event), *lesson.callbacks]
    if how.patience:
        stop = partial(keras.callbacks.EarlyStopping, "val_loss", restore_best_weights=True)
        callbacks.append(stop(patience=how.patience, start_from_epoch=lesson.unsettled))
    with penalties(model, how), zeros_kept(model, how, work.on_event), shared_kept(model, how, work.on_event):
        trainer.fit(
            work.data.train.pixels,
            work.data.train.labels,
            batch_size=how.batch_size,
            epochs=how.epochs,
            validation_data=(work.data.held_out.pixels, work.data.held_out.labels),
            validation_batch_size=512,
            callbacks=callbacks,
            verbose=0,
        )
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise TrainingDiverged("some weights are no longer numbers", "lower learning_rate, or check the data")


def front(augment: Augment, pixels: Pixels) -> keras.Sequential:
    """What stands before the model while it trains: rescaling, then augmentation."""
    shape = (pixels.height, pixels.width, CHANNELS[pixels.color])
    layers = [keras.Input(shape, dtype="uint8"), rescaling(pixels), *augmentation(augment, pixels)]
    return keras.Sequential(layers)


class Trainer(keras.Model):  # type: ignore[misc]
    """The model with its front, and its teacher who sees the very same augmented pictures."""

    def __init__(self, before: keras.Model, model: keras.Model, lesson: Lesson) -> None:
        super().__init__()
        self.before, self.model, self.lesson = before, model, lesson
        pairs = (*lesson.hints, *lesson.attention)
        if lesson.teacher is not None:
            self.student_taps = tap(model, [mine for mine, _ in pairs])
            taps = tap(lesson.teacher, [theirs for _, theirs in pairs])
            self.ask_teacher = partial(taps, training=False)  # a partial, so that Keras does not train it too
            _demand_one_shape(self.student_taps, taps, lesson)

    def call(self, pictures: Any, training: bool = False) -> Any:
        """The model's answer; the teacher's share of the loss is added, on held-out pictures too."""
        seen, lesson = self.before(pictures, training=training), self.lesson
        if lesson.teacher is None:
            return self.model(seen, training=training)
        answer, *mine = _as_list(self.student_taps(seen, training=training))
        told, *theirs = _as_list(self.ask_teacher(seen))
        soft = soft_loss(logits(self.model, answer), logits(lesson.teacher, told), lesson.temperature)
        self.add_loss(lesson.alpha * soft)
        for number, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            gap = square_gap(a, b) if number < len(lesson.hints) else square_gap(attention_map(a), attention_map(b))
            self.add_loss(lesson.hint_weight * gap)
        return answer


def tap(model: keras.Model, names: list[str]) -> keras.Model:
    """The model with the outputs of the named layers after its own. Raises RecipeError for a name it does not have."""
    known = {layer.name: layer for layer in model.layers}
    missing = [name for name in names if name not in known]
    if missing:
        raise RecipeError(f"{model.name} has no layer {missing[0]!r}", f"its layers: {', '.join(known)}")
    return keras.Model(model.inputs[0], [model.outputs[0], *(known[name].output for name in names)])


def _demand_one_shape(student: keras.Model, teacher: keras.Model, lesson: Lesson) -> None:
    """Raise RecipeError where the layers of a hint, or the pictures of an attention map, differ in shape."""
    for number, pair in enumerate((*lesson.hints, *lesson.attention)):
        end = None if number < len(lesson.hints) else -1
        mine, theirs = (tuple(taps.outputs[number + 1].shape[1:end]) for taps in (student, teacher))
        if mine != theirs:
            said = f"{pair[0]} = {pair[1]}: layers of different shapes, {mine} and {theirs}"
            raise RecipeError(said, "choose layers of one shape")


def _as_list(outputs: Any) -> list[Any]:
    """A model's outputs as a list: Keras gives a lone one bare."""
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def square_gap(student: Any, teacher: Any) -> Any:
    """The mean squared difference of two activations of one shape."""
    return keras.ops.mean(keras.ops.square(student - keras.ops.stop_gradient(teacher)))


def attention_map(activation: Any) -> Any:
    """Where a layer looks: the mean of squares over channels, flattened and brought to length 1 (1612.03928, eq. 2)."""
    ops = keras.ops
    flat = ops.reshape(ops.mean(ops.square(activation), axis=-1), (-1, math.prod(activation.shape[1:-1])))
    return flat / (ops.norm(flat, axis=-1, keepdims=True) + keras.backend.epsilon())


def soft_loss(student: Any, teacher: Any, temperature: float) -> Any:
    """T²·KL(softmax(teacher/T) ‖ softmax(student/T)), mean over the batch (Hinton et al. 2015, 1503.02531)."""
    ops = keras.ops
    target = ops.softmax(ops.stop_gradient(teacher) / temperature)
    gap = ops.log_softmax(ops.stop_gradient(teacher) / temperature) - ops.log_softmax(student / temperature)
    return temperature**2 * ops.mean(ops.sum(target * gap, axis=-1))


def logits(model: keras.Model, answer: Any) -> Any:
    """A model's answer as logits: the logarithm of what a softmax gave."""
    return keras.ops.log(answer + keras.backend.epsilon()) if ends_in_softmax(model) else answer


def schedule(how: Tuning, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate over the ``steps`` batches of each epoch."""
    total, cosine = how.epochs * steps, keras.optimizers.schedules.CosineDecay
    if how.schedule == "cosine":
        return cosine(how.learning_rate, total, alpha=0.01)
    if how.schedule == "hold":
        held = total * 3 // 5
        return _Hold(how.learning_rate, held, cosine(how.learning_rate, total - held, alpha=0.01))
    if how.schedule == "step":
        rates = [how.learning_rate, how.learning_rate / 10, how.learning_rate / 100]
        last = [total // 2 - 1, total * 3 // 4 - 1]  # Keras counts steps from 0 and changes after a boundary
        return keras.optimizers.schedules.PiecewiseConstantDecay(last, rates)
    return how.learning_rate


class _Hold(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """One rate for ``held`` steps, then another schedule from its start."""

    def __init__(self, rate: float, held: int, after: keras.optimizers.schedules.LearningRateSchedule) -> None:
        self._rate, self._held, self._after = rate, held, after

    def __call__(self, step: Any) -> Any:
        """The rate at a step."""
        ops = keras.ops
        late = ops.cast(step, "float32") - self._held
        return ops.where(late < 0, self._rate, self._after(ops.maximum(late, 0.0)))


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

    Raises UsageError where there is no such layer.
    """
    names = dropout_rates(model)
    if not names:
        raise UsageError(f"dropout = {rate}: the model {model.name} has no Dropout layer", "add one, or leave it out")
    return with_rates(model, dict.fromkeys(names, rate))


def dropout_rates(model: keras.Model) -> dict[str, float]:
    """The rates of the model's Dropout layers, by name."""
    return {layer.name: layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)}


def with_rates(model: keras.Model, rates: dict[str, float]) -> keras.Model:
    """A copy of ``model``, weights included, with other dropout rates.

    A copy, because Keras gives a layer that was made with rate 0 no random numbers.
    """

    def copied(layer: keras.Layer) -> keras.Layer:
        changed = {"rate": rates[layer.name]} if layer.name in rates else {}
        return layer.__class__.from_config(layer.get_config() | changed)

    copy = keras.models.clone_model(model, clone_function=copied)
    copy_weights(model, copy)
    return copy


def kernels(model: keras.Model) -> list[Any]:
    """The weights that multiply (kernels of dense, convolution and depthwise layers), not biases or statistics."""
    return [weight for weight in model.trainable_weights if len(weight.shape) > 1]


@contextmanager
def penalties(model: keras.Model, how: Tuning) -> Iterator[None]:
    """While inside, the loss has l1·Σ|w| + l2·Σw² + h·Σ|w|/(1+|w|) over all kernels added to it."""
    weights = kernels(model) if how.l1 or how.l2 or how.hanson_pratt else []
    before = [weight.regularizer for weight in weights]
    for weight in weights:
        weight.regularizer = Penalty(how.l1, how.l2, how.hanson_pratt)
    try:
        yield
    finally:
        for weight, regularizer in zip(weights, before, strict=True):
            weight.regularizer = regularizer


class Penalty(keras.regularizers.Regularizer):  # type: ignore[misc]
    """l1·Σ|w| + l2·Σw² + h·Σ|w|/(1+|w|); the last is the biased weight decay of Hanson & Pratt (NIPS 1989)."""

    def __init__(self, l1: float, l2: float, hanson_pratt: float) -> None:
        self.l1, self.l2, self.hanson_pratt = l1, l2, hanson_pratt

    def __call__(self, weight: Any) -> Any:
        """The penalty of one kernel."""
        ops = keras.ops
        size = ops.abs(weight)
        total = self.l1 * ops.sum(size) + self.l2 * ops.sum(ops.square(weight))
        return total + self.hanson_pratt * ops.sum(size / (1.0 + size)) if self.hanson_pratt else total
