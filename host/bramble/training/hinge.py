"""The square hinge loss of an L2-SVM on logits (Tang 2013, 1306.0239), which BinaryConnect trains by.

mean over classes of max(0, 1 − t·logit)²,   t = 1 for the label, −1 for the other classes
"""

from __future__ import annotations

from typing import Any

import keras


class SquareHinge(keras.losses.Loss):  # type: ignore[misc]
    """For integer labels [N] and logits [N, classes]."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each picture [N]."""
        ops = keras.ops
        labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        signs = 2.0 * ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype) - 1.0
        return ops.mean(ops.square(ops.relu(1.0 - signs * y_pred)), axis=-1)
