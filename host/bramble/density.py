"""How dense a pruning leaves each layer, and on which course: from what is there now to what the recipe asks for.

Densities count on all weights of a kernel, so a second pruning goes on from the first one's density. What an earlier
pruning removed ranks last, whatever the criterion says, and stays removed unless weights may come back (regrow).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.masks import Masks, Scores, density_at, draw, keep_highest
from bramble.recipe import Prune
from bramble.zeros import alive

LAST = -1.0  # below every score


def targets(how: Prune, layers: Sequence[keras.Layer]) -> list[float]:
    """The density to reach in each layer (all the same where layers are ranked together)."""
    if how.density is not None:
        return [how.density] * len(layers)
    if how.densities is not None:
        return [how.densities.get(layer.name, 1.0) for layer in layers]
    kernels = [np.asarray(layer.kernel) for layer in layers]
    limits = [float(how.quality or 0.0) * float(kernel.std()) for kernel in kernels]
    shares = [float(np.mean(np.abs(kernel) >= limit)) for kernel, limit in zip(kernels, limits, strict=True)]
    return [max(share, 1.0 / kernel.size) for share, kernel in zip(shares, kernels, strict=True)]


@dataclass(frozen=True)
class Course:
    """The way of a pruning: densities to reach, what lives at its start, layers that are done, the seed of a draw."""

    how: Prune
    targets: list[float]
    alive: Masks
    done: list[bool]
    seed: int

    @classmethod
    def of(
        cls, how: Prune, layers: Sequence[keras.Layer], done: Sequence[keras.Layer], aims: list[float], seed: int
    ) -> Course:
        """The course from the layers as they are now; those that are ``done`` stay so and count in the density."""
        living = alive(layers) if how.keep_zeros else [np.ones(layer.kernel.shape, bool) for layer in layers]
        rows = zip(layers, living, strict=True)
        living = [np.asarray(layer.kernel) != 0 if layer in done else mask for layer, mask in rows]
        return cls(how, aims, living, [layer in done for layer in layers], seed)

    def masks(self, scores: Scores, done: float) -> Masks:
        """What is kept after the share ``done`` of the ramp, by the scores of all weights as they are then."""
        may = [mask | (self.how.regrow and not done) for mask, done in zip(self.alive, self.done, strict=True)]
        firm = [np.full_like(score, np.inf) if done else score for score, done in zip(scores, self.done, strict=True)]
        ranked = [np.where(mask, score, LAST) for mask, score in zip(may, firm, strict=True)]
        if self.how.probabilistic:
            ranked = draw(ranked, self.seed)
        if self.how.scope == "global" and self.how.density is not None:
            kept = keep_highest(ranked, self._density(done, self.how.density, self.alive), "global")
        else:
            rows = zip(ranked, self.targets, self.alive, strict=True)
            kept = [keep_highest([row], self._density(done, to, [mask]), "local")[0] for row, to, mask in rows]
        return [mask & living for mask, living in zip(kept, may, strict=True)]

    def _density(self, done: float, target: float, living: Masks) -> float:
        """The density on the ramp: a target above what lives changes nothing, unless weights may come back."""
        now = _share(living)
        return density_at(done, target if self.how.regrow else min(target, now), self.how.ramp, now)


def _share(masks: list[NDArray[np.bool_]]) -> float:
    return sum(int(np.count_nonzero(mask)) for mask in masks) / sum(mask.size for mask in masks)
