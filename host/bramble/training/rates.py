"""Learning rates over the steps of a training."""

from __future__ import annotations

from typing import Any

import keras

from bramble.tuning import Tuning


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
