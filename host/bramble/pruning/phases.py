"""Pruning in phases: dense layers while convolutions rest, then the other way (Han et al. 2015, 1506.02626, section 3).

What rests does not move at all: kernels, biases, and with the convolutions everything that is no dense layer, batch
norm's statistics among it.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras

from bramble.errors import RecipeError
from bramble.held.masks import prunable
from bramble.recipe import Prune


@dataclass(frozen=True)
class Phase:
    """What is pruned and trained now, for ``how.epochs``; what rests meanwhile; what earlier phases pruned."""

    how: Prune
    layers: list[keras.Layer]
    resting: list[keras.Layer]
    done: list[keras.Layer]


def phases(how: Prune, model: keras.Model) -> list[Phase]:
    """One phase, or two that share the epochs: the first half (the longer one) dense layers, the second convolutions.

    Raises RecipeError for two phases on a model with only one kind of layers.
    """
    layers = prunable(model)
    if how.phases == "together":
        return [Phase(how, layers, [], [])]
    dense = [layer for layer in layers if isinstance(layer, keras.layers.Dense)]
    convolutions = [layer for layer in layers if layer not in dense]
    if not dense or not convolutions:
        kind = "convolutions" if not dense else "dense layers"
        raise RecipeError(
            f'prune: phases = "alternate" needs both kinds of layers, {model.name} has only {kind} to prune',
            'use phases = "together"',
        )
    others = [layer for layer in model.layers if layer not in dense]
    half = how.epochs // 2
    first = how.model_copy(update={"epochs": how.epochs - half})
    second = how.model_copy(update={"epochs": half})
    return [Phase(first, dense, others, []), Phase(second, convolutions, dense, dense)]
