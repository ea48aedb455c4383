"""What a model learns besides labels."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Lesson:
    """What a model learns besides labels: from whom, how softly, and what holds meanwhile.

    ``hints`` and ``attention`` name pairs of student and teacher layers. ``answers`` are what the teacher says, asked
    before (see ``answers``): it is not asked again. ``callbacks`` are Keras callbacks, for techniques that change
    something while training goes on; early stopping lets the first ``unsettled`` epochs pass. ``loss`` takes labels and
    logits; without one it is the cross-entropy.
    """

    teacher: keras.Model | None = None
    temperature: float = 4.0
    alpha: float = 0.9
    hints: tuple[tuple[str, str], ...] = ()
    attention: tuple[tuple[str, str], ...] = ()
    hint_weight: float = 1.0
    answers: NDArray[np.float32] | None = None
    callbacks: tuple[keras.callbacks.Callback, ...] = ()
    unsettled: int = 0
    loss: keras.losses.Loss | None = None


PLAIN = Lesson()
