"""Whether a model ends in a softmax, and its answers as logits either way."""

from __future__ import annotations

from typing import Any

import keras


def ends_in_softmax(model: keras.Model) -> bool:
    """Whether the model's output is probabilities (a softmax) rather than logits."""
    last = model.layers[-1]
    return isinstance(last, keras.layers.Softmax) or getattr(last, "activation", None) is keras.activations.softmax


def logits(model: keras.Model, answer: Any) -> Any:
    """A model's answer as logits: the logarithm of what a softmax gave."""
    return keras.ops.log(answer + keras.backend.epsilon()) if ends_in_softmax(model) else answer
