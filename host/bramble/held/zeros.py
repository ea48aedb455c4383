"""Zeros of an earlier pruning stay zero in the stages after it, or training on would fill them again.

They are known by the kernels themselves: training leaves no weight at exactly 0, pruning leaves many. So they are found
wherever the model comes from: the stage before, an artifact, a slimmed copy, a user's file. Each layer is looked at
alone, however small it is beside the others: it counts as pruned if NOTICED of its kernel's weights are zeros, but not
all of them (some initialisers make such). Where one layer counts, the zeros of all are held: a ranking over the whole
model may take few weights of one kernel, or every weight of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.events import Note, OnEvent
from bramble.held.masks import Masks, masked, prunable, put
from bramble.held.seen import own_kernel
from bramble.tuning import Tuning

NOTICED = 0.01


def alive(layers: Sequence[keras.Layer]) -> Masks:
    """True where a weight lives: everywhere, unless an earlier pruning left its zeros in one of these kernels."""
    masks = [np.asarray(own_kernel(layer)) != 0 for layer in layers]
    if any(_pruned(mask) for mask in masks):
        return masks
    return [np.ones_like(mask) for mask in masks]


def _pruned(mask: NDArray[np.bool_]) -> bool:
    """Whether one kernel counts as pruned."""
    return bool(mask.any() and np.count_nonzero(~mask) >= NOTICED * mask.size)


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
