"""The one training loop: Keras' own ``fit`` around the model, with rescaling and augmentation in front of it.

The training graph is uint8 pixels → rescale → augment → model, so the data stays uint8 in memory and any Keras backend
can run it. What comes out is the model alone; rescaling is the bundle's business (``bramble_agent.pixels``).
"""

from __future__ import annotations

import math
from functools import partial

import keras
import numpy as np

from bramble.errors import TrainingDiverged
from bramble.held.sharing import shared_kept
from bramble.held.zeros import zeros_kept
from bramble.training.lesson import PLAIN, Lesson
from bramble.training.penalty import penalties
from bramble.training.rates import schedule
from bramble.training.reporter import Reporter
from bramble.training.softmax import ends_in_softmax
from bramble.training.trainer import given, trainer_of
from bramble.tuning import Tuning
from bramble.work import Work


def fit(model: keras.Model, how: Tuning, work: Work, lesson: Lesson = PLAIN) -> None:
    """Train ``model`` in place on the training set, watching the held-out part; nothing happens for 0 epochs.

    Raises TrainingDiverged at the step where the loss is no longer a number.
    """
    if not how.epochs:
        return
    steps = math.ceil(len(work.data.train) / how.batch_size)
    trainer = trainer_of(model, how.augment, work.pixels, lesson)
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
    train, held_out = given(work.data, lesson)
    with penalties(model, how), zeros_kept(model, how, work.on_event), shared_kept(model, how, work.on_event):
        trainer.fit(
            train,
            work.data.train.labels,
            batch_size=how.batch_size,
            epochs=how.epochs,
            validation_data=(held_out, work.data.held_out.labels),
            validation_batch_size=512,
            callbacks=callbacks,
            verbose=0,
        )
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise TrainingDiverged("some weights are no longer numbers", "lower learning_rate, or check the data")
