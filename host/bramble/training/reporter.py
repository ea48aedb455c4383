"""What training tells: Keras' callbacks become events, and a loss that is no number an error at the step it happens."""

from __future__ import annotations

import math
import time
from typing import Any

import keras

from bramble.errors import TrainingDiverged
from bramble.events import EpochEnded, EpochStep, OnEvent

TELL_EVERY_S = 0.2


class Reporter(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells ``on_event`` of steps and epochs; raises TrainingDiverged for a loss that is no number.

    The loss that Keras hands over is the epoch's running mean, so one bad batch spoils it for good. Keras has made a
    Python number of it for every batch before a callback sees it: looking at each costs nothing more.
    """

    def __init__(self, epochs: int, steps: int, on_event: OnEvent) -> None:
        super().__init__()
        self._epochs, self._steps, self._on_event = epochs, steps, on_event
        self._epoch, self._began, self._told = 0, 0.0, 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note when the epoch began."""
        self._epoch, self._began = epoch + 1, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop where the loss is no number; tell, now and then, how far the epoch is."""
        if not math.isfinite(logs["loss"]):
            raise TrainingDiverged(
                f"the loss became {logs['loss']} in epoch {self._epoch}, step {batch + 1} of {self._steps}",
                "lower learning_rate, or check the data",
            )
        now = time.perf_counter()
        if now - self._told > TELL_EVERY_S:
            self._told = now
            self._on_event(EpochStep(self._epoch, self._epochs, batch + 1, self._steps))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tell the epoch's figures."""
        seconds = time.perf_counter() - self._began
        loss, accuracy, held_out = (float(logs[name]) for name in ("loss", "accuracy", "val_accuracy"))
        self._on_event(EpochEnded(self._epoch, self._epochs, loss, accuracy, held_out, seconds))
