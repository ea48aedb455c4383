"""What a student's answer costs beside its teacher's, and their layers (equations in ``compress.distill``)."""

from __future__ import annotations

import math
from typing import Any

import keras


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
