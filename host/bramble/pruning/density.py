"""How dense a pruning leaves each layer, and on which course: from what is there now to what the recipe asks for.

Densities count on all weights of the kernels as they are: a second pruning goes on from the first one's density, of a
graph from which dead units are gone (``remove_dead``). What was removed, by an earlier pruning or earlier on the ramp,
ranks last, whatever the criterion says, and stays removed unless weights may come back (regrow). Ranked together, a
layer could lose all of its weights, and the model its answer: that is refused where it shows at once, and a layer that
comes to it later keeps one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.errors import RecipeError
from bramble.held.masks import Masks, Scores, density_at, draw, keep_highest
from bramble.held.zeros import alive
from bramble.recipe import Prune

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

    def masks(self, scores: Scores, done: float, before: Masks) -> Masks:
        """What is kept after the share ``done`` of the ramp, by the scores of all weights as they are then.

        ``before`` are the masks until now.
        """
        may = self._may(before)
        kept, ranked = self._kept(scores, done, may)
        return _one_each([mask & living for mask, living in zip(kept, may, strict=True)], ranked, self.alive)

    def demand_all_layers(self, scores: Scores, layers: Sequence[keras.Layer]) -> Masks:
        """The masks at the end of the ramp, if scores stayed as they are. Raises RecipeError where a layer empties."""
        kept, _ = self._kept(scores, 1.0, self._may(self.alive))
        rows = zip(layers, kept, self.alive, strict=True)
        empty = [layer.name for layer, mask, living in rows if living.any() and not mask.any()]
        if empty:
            raise RecipeError(
                f"prune: at density = {self.how.density:g} nothing would be left of {', '.join(empty)}",
                'use scope = "local" or "sensitivity", weights to keep more of a layer, or a higher density',
            )
        return kept

    def _may(self, before: Masks) -> Masks:
        """What may be kept: what is there, or with regrowth everything in the layers that are not done."""
        return [mask | (self.how.regrow and not done) for mask, done in zip(before, self.done, strict=True)]

    def _kept(self, scores: Scores, done: float, may: Masks) -> tuple[Masks, Scores]:
        """The highest among what may be kept, and by what they were ranked."""
        firm = [np.full_like(score, np.inf) if done else score for score, done in zip(scores, self.done, strict=True)]
        ranked = [np.where(mask, score, LAST) for mask, score in zip(may, firm, strict=True)]
        if self.how.probabilistic:
            ranked = draw(ranked, self.seed)
        if self.how.scope == "global" and self.how.density is not None:
            return keep_highest(ranked, self._density(done, self.how.density, self.alive), "global"), ranked
        rows = zip(ranked, self.targets, self.alive, strict=True)
        return [keep_highest([row], self._density(done, to, [mask]), "local")[0] for row, to, mask in rows], ranked

    def _density(self, done: float, target: float, living: Masks) -> float:
        """The density on the ramp: a target above what lives changes nothing, unless weights may come back."""
        now = _share(living)
        return density_at(done, target if self.how.regrow else min(target, now), self.how.ramp, now)


def _one_each(kept: Masks, ranked: Scores, alive: Masks) -> Masks:
    """The masks with the best weight of each layer that has none, in the place of the least one kept elsewhere."""
    for number, mask in enumerate(kept):
        if alive[number].any() and not mask.any():
            mask.flat[int(np.argmax(ranked[number]))] = True
            rich = [one for one, other in enumerate(kept) if np.count_nonzero(other) > 1]
            least = {one: np.where(kept[one], ranked[one], np.inf) for one in rich}
            if rich:
                poorest = min(rich, key=lambda one: float(least[one].min()))
                kept[poorest].flat[int(np.argmin(least[poorest]))] = False
    return kept


def _share(masks: list[NDArray[np.bool_]]) -> float:
    return sum(int(np.count_nonzero(mask)) for mask in masks) / sum(mask.size for mask in masks)
