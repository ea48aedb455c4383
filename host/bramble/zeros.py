"""Zeros of an earlier pruning stay zero in the stages after it, or training on would fill them again.

They are known by the kernels themselves: training leaves no weight at exactly 0, pruning leaves many. So they are found
wherever the model comes from: the stage before, an artifact, a slimmed copy, a user's file. A model counts as pruned if
NOTICED of its kernels' weights are zeros; a kernel of nothing but zeros does not speak for it (some initialisers make
such), but is held where the others do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np

from bramble.events import Note, OnEvent
from bramble.masks import Masks, masked, prunable, put
from bramble.tuning import Tuning

NOTICED = 0.01


def alive(layers: Sequence[keras.Layer]) -> Masks:
    """True where a weight lives: everywhere, unless an earlier pruning left its zeros in these layers' kernels."""
    masks = [np.asarray(layer.kernel) != 0 for layer in layers]
    zeros = sum(np.count_nonzero(~mask) for mask in masks if mask.any())
    if zeros < NOTICED * sum(mask.size for mask in masks):
        return [np.ones_like(mask) for mask in masks]
    return masks


@contextmanager
def zeros_kept(model: keras.Model, how: Tuning, on_event: OnEvent) -> Iterator[None]:
    """While inside, the zeros of an earlier pruning stay zero through every optimiser step, and it is told once."""
    layers = prunable(model) if how.keep_zeros else []
    masks = alive(layers)
    zeros = sum(np.count_nonzero(~mask) for mask in masks)
    if not zeros:
        yield
        return
    total = sum(mask.size for mask in masks)
    on_event(Note(f"{zeros} of {total} weights are zeros of an earlier pruning and stay so (keep_zeros)"))
    with masked(layers) as held:
        put(held, masks)
        yield
