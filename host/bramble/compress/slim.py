"""Structured pruning: whole channels go, so that the model is smaller and faster on any runtime.

    score(group) = Σ over its layers of ‖W[…, c]‖ / mean; the lowest share goes

L1 norms: Li et al. 2017, 1608.08710. BN scale: Liu et al. 2017, 1708.06519. Taylor: Molchanov et al. 2019, 1906.10771.
Channels against filters: Caccia et al. 2023, 2304.13164: *channels* cuts the width everywhere, *filters* only inside
blocks, keeping what residual additions carry. With epochs = 0 it is their zero-shot pruning: no data is touched.
"""

from __future__ import annotations

import keras
import numpy as np
from keras.layers import BatchNormalization
from numpy.typing import NDArray

from bramble import scores
from bramble.channels import Channels, trace
from bramble.errors import RecipeError
from bramble.events import Note
from bramble.fit import Lesson, fit, with_dropout
from bramble.rebuild import without
from bramble.recipe import Slim
from bramble.work import Work

SCORED = 2_048
Sets = dict[tuple[str, ...], list[int]]


def slim(model: keras.Model, how: Slim, work: Work, lesson: Lesson) -> keras.Model:
    """A smaller model with ``how.ratio`` of the removable channels gone, fine-tuned after each of ``how.steps`` rounds.

    Raises IncompatibleError for a model that cannot be traced, RecipeError where nothing could be removed, UsageError
    for dropout on a model without Dropout layers.
    """
    if how.dropout is not None:
        model = with_dropout(model, how.dropout)
    widths: dict[tuple[str, ...], int] = {}
    for number in range(how.steps):
        found = trace(model)
        if number == 0 and found.unknown:
            work.on_event(Note(f"slim: left alone around {', '.join(found.unknown)}", warning=True))
        sets, ranked = _sets(found, how), _scored(model, found, how, work)
        widths = widths or {names: len(members) for names, members in sets.items()}
        shares = [(1.0 - how.ratio) ** ((number + 1) / how.steps), 1.0 - how.ratio]
        now, finally_ = (_choose(sets, ranked, how, widths, share) for share in shares)
        if number == 0 and not finally_:
            raise RecipeError("slim: no channel can be removed", "a larger ratio, a smaller round_to, or another kind")
        model = without(model, found, now) if now else model
        fit(model, how, work, lesson)
    return model


def _choose(
    sets: Sets, ranked: dict[int, float], how: Slim, widths: dict[tuple[str, ...], int], share: float
) -> set[int]:
    """The groups that go, so that ``share`` of the first ``widths`` is left, of each set or over all of them."""
    left = {names: widths[names] * share for names in sets}
    if how.scope == "global":
        everything = [root for members in sets.values() for root in members]
        lowest = _lowest(everything, ranked, round(share * sum(widths.values())))
        left = {names: sum(root not in lowest for root in members) for names, members in sets.items()}
    gone: set[int] = set()
    for names, members in sets.items():
        gone |= _lowest(members, ranked, _rounded(left[names], how.round_to))
    return gone


def _rounded(left: float, round_to: int) -> int:
    """The multiple of ``round_to`` nearest to ``left``, but not 0."""
    return max(1, round(left / round_to)) * round_to


def _lowest(members: list[int], ranked: dict[int, float], left: int) -> set[int]:
    """The groups with the lowest scores, all but ``left``."""
    return set(sorted(members, key=lambda root: ranked[root])[: max(0, len(members) - left)])


def _sets(found: Channels, how: Slim) -> Sets:
    """The removable groups, set by set: those that the same layers make."""
    blocked = set(found.frozen_roots()) | (found.joined_roots() if how.kind == "filters" else set())
    makers: dict[int, tuple[str, ...]] = {}
    for use in found.uses:
        if use.into is not use.out:
            for root in dict.fromkeys(int(one) for one in found.roots(use.out)):
                makers[root] = (*makers.get(root, ()), use.layer.name)
    sets: Sets = {}
    for root, names in makers.items():
        if root not in blocked:
            sets.setdefault(names, []).append(root)
    return sets


def _scored(model: keras.Model, found: Channels, how: Slim, work: Work) -> dict[int, float]:
    """The score of each group: the sum over the layers that make it, each layer's scores brought to mean 1."""
    uses = [use for use in found.uses if not isinstance(use.layer, BatchNormalization)]
    if how.criterion == "bn":
        uses = [use for use in found.uses if isinstance(use.layer, BatchNormalization) and use.layer.scale]
    if not uses and how.criterion == "bn":
        raise RecipeError('slim: criterion = "bn" needs batch normalization, the model has none', "use l2")
    total: dict[int, float] = {}
    for use, values in zip(uses, _by_layer(model, [use.layer for use in uses], how, work), strict=True):
        for root, value in zip(found.roots(use.out), values / (values.mean() or 1.0), strict=True):
            total[int(root)] = total.get(int(root), 0.0) + float(value)
    return {int(root): total.get(int(root), 1.0) for use in found.uses for root in found.roots(use.out)}


def _by_layer(model: keras.Model, layers: list[keras.Layer], how: Slim, work: Work) -> list[NDArray[np.float64]]:
    """One score an output channel, for each of the layers."""
    if how.criterion == "bn":
        return [np.abs(np.asarray(layer.gamma, dtype=np.float64)) for layer in layers]
    generator = np.random.default_rng(work.seed)
    if how.criterion == "taylor":
        images = work.data.train.take(generator.permutation(len(work.data.train))[:SCORED])
        rows = map(_rows, layers, scores.taylor(model, layers, images, work.pixels))
    else:
        rows = map(_rows, layers, scores.magnitude(layers))
    match how.criterion:
        case "l2":
            return [np.sqrt(np.square(row).sum(0)) for row in rows]
        case "random":
            return [generator.random((row.shape[1],)) for row in rows]
        case _:
            return [row.sum(0) for row in rows]


def _rows(layer: keras.Layer, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A kernel's values [weights, output channels]."""
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return values.reshape(-1, values.shape[-2] * values.shape[-1] if depthwise else values.shape[-1])
