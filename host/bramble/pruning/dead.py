"""Dead neurons: units that nobody hears, and units that say the same for every picture (Han et al. 2015, section 3.5).

After pruning some units have no output weight left, others no input weight. The first can go as they are. The second
still give a constant, which the layers that read it get into their biases:

    b ← b + Σ over the kernel's positions of W[…, c, :] · constant(c)

A channel stays where that is not exact: zero padding behind a constant other than 0, a reader without a bias, a
residual sum of which another part is alive. Removing units can kill others, so it goes on until nothing changes; every
layer keeps at least one unit. Answers outside of training stay the same up to rounding.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.graph.channels import Channels, Use, trace
from bramble.graph.constants import constants, padded
from bramble.graph.rebuild import without

layers = keras.layers


def without_dead(model: keras.Model) -> keras.Model:
    """``model`` without its dead units, the same object where it has none; ``model`` itself is left as it was.

    Raises IncompatibleError for a model that cannot be traced.
    """
    while True:
        found = trace(model)
        told = constants(model)
        gone = _one_stays(found, _dead(found, told))
        if not gone:
            return model
        smaller = without(model, found, gone)
        for use in _readers(found):
            moved = _moved(use, found, gone, told[use.layer.name])
            if moved.any():
                mine = smaller.get_layer(use.layer.name)
                kept = [int(root) not in gone for root in found.roots(use.out)]
                mine.bias.assign(np.asarray(mine.bias) + moved[kept])
        model = smaller


def _dead(found: Channels, told: dict[str, NDArray[np.float64]]) -> set[int]:
    """The groups that no reader needs: each hears them with zero weights, or can take their constant as bias."""
    needed = set(found.frozen_roots())
    for use in _readers(found):
        if getattr(use.layer, "groups", 1) == 1:  # else its inputs are frozen
            needed |= {int(root) for root in found.roots(use.into[~_spare(use.layer, told[use.layer.name])])}
    return {int(root) for use in found.uses for root in found.roots(use.out)} - needed


def _spare(layer: Any, told: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which inputs the layer can do without."""
    kernel = np.asarray(layer.kernel)
    silent = ~(kernel.reshape(-1, *kernel.shape[-2:]) != 0).any((0, 2))
    movable = np.isfinite(told) & layer.use_bias & (not padded(layer))
    return np.asarray(silent | (told == 0) | movable)


def _moved(use: Use, found: Channels, gone: set[int], told: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the channels that go gave to the reader's outputs [out]."""
    going = np.array([int(root) in gone for root in found.roots(use.into)])
    kernel = np.asarray(use.layer.kernel, dtype=np.float64)
    if not going.any():
        return np.zeros(kernel.shape[-1])
    total = kernel.reshape(-1, *kernel.shape[-2:]).sum(0)
    return np.asarray(np.where(going & np.isfinite(told), told, 0.0) @ total)


def _readers(found: Channels) -> list[Use]:
    """The layers that listen to all channels they get: convolutions and dense layers."""
    kinds = (layers.Conv2D, layers.Dense)
    return [
        use for use in found.uses if isinstance(use.layer, kinds) and not isinstance(use.layer, layers.DepthwiseConv2D)
    ]


def _one_stays(found: Channels, dead: set[int]) -> set[int]:
    """``dead`` without one group of each layer that would lose all of its channels."""
    gone = set(dead)
    for use in found.uses:
        rows = [int(root) for root in found.roots(use.out)]
        if all(root in gone for root in rows):
            gone.discard(rows[0])
    return gone
