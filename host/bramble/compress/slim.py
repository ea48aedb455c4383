"""Structured pruning: whole channels go, so that the model is smaller and faster on any runtime.

    score(group) = Σ over its layers of ‖W[…, c]‖ / mean; the lowest share goes

L1 norms: Li et al. 2017, 1608.08710. BN scale: Liu et al. 2017, 1708.06519. Taylor: Molchanov et al. 2019, 1906.10771.
Channels against filters: Caccia et al. 2023, 2304.13164: *channels* cuts the width everywhere, *filters* only inside
blocks, keeping what residual additions carry. With epochs = 0 it is their zero-shot pruning: no data is touched.
Elsewhere the statistics of batch norms are taken anew after each cut, before training goes on.
"""

from __future__ import annotations

import keras
import numpy as np
from keras.layers import BatchNormalization
from numpy.typing import NDArray

from bramble.datasets.types import Images
from bramble.errors import RecipeError
from bramble.events import Note
from bramble.graph.channels import Channels, explain, trace
from bramble.graph.rebuild import without
from bramble.graph.widths import Sets, groups_left, named
from bramble.pruning import scores
from bramble.recipe import Slim
from bramble.training.bn_stats import reestimate
from bramble.training.dropout import with_dropout
from bramble.training.fit import fit
from bramble.training.lesson import Lesson
from bramble.work import Work

SCORED = 2_048  # training pictures that gradients and statistics are taken on
TOLD = 12  # lines about channels at most


def slim(model: keras.Model, how: Slim, work: Work, lesson: Lesson) -> keras.Model:
    """A smaller model by ``how.ratio`` or ``how.widths``, fine-tuned after each of ``how.steps`` rounds.

    Raises IncompatibleError for a model that cannot be traced, RecipeError where nothing could be removed or widths
    cannot be had, UsageError for dropout on a model without Dropout layers.
    """
    if how.dropout is not None:
        model = with_dropout(model, how.dropout)
    whole: dict[tuple[str, ...], int] = {}
    shares: dict[tuple[str, ...], float] = {}
    for number in range(how.steps):
        found = trace(model)
        sets, ranked = _sets(found, how), _scored(model, found, how, work)
        if number == 0:
            _tell(found, how, work)
            whole, shares = _goal(found, sets, how)
        sets = sets if how.widths is None else named(sets, how.widths)
        powers = ((number + 1) / how.steps, 1.0)
        lefts = ({names: whole[names] * share**power for names, share in shares.items()} for power in powers)
        now, finally_ = (_choose(sets, ranked, how, left) for left in lefts)
        if number == 0 and not finally_:
            raise _nothing_to_do(how)
        model = without(model, found, now) if now else model
        if how.epochs > 0 if how.reestimate is None else how.reestimate:
            reestimate(model, _some(work, np.random.default_rng(work.seed)).pixels, work.pixels)
        fit(model, how, work, lesson)
    return model


def _nothing_to_do(how: Slim) -> RecipeError:
    """Why no channel goes."""
    if how.widths is None:
        return RecipeError("slim: no channel can be removed", "a larger ratio, a smaller round_to, or another kind")
    told = ", ".join(f"{name} = {width}" for name, width in how.widths.items())
    return RecipeError(f"slim: widths {told}: the layers have these widths already", "give smaller ones")


def _goal(found: Channels, sets: Sets, how: Slim) -> tuple[dict[tuple[str, ...], int], dict[tuple[str, ...], float]]:
    """How many groups each set has, and the share of them that is to be left."""
    if how.widths is None:
        whole = {names: len(members) for names, members in sets.items()}
        return whole, dict.fromkeys(whole, 1.0 - float(how.ratio or 0.0))
    left = groups_left(found, sets, how.widths)
    whole = {names: len(members) for names, members in named(sets, how.widths).items()}
    return whole, {names: left[names] / count for names, count in whole.items()}


def _tell(found: Channels, how: Slim, work: Work) -> None:
    """What is cut together and what stays, in a few lines."""
    if found.unknown:
        work.on_event(Note(f"slim: left alone around {', '.join(found.unknown)}", warning=True))
    carried = dict.fromkeys(found.joined_roots() if how.kind == "filters" else (), "a sum carries it, kind = filters")
    lines = explain(found, carried)
    for line in lines[:TOLD]:
        work.on_event(Note(f"slim: {line}"))
    if len(lines) > TOLD:
        work.on_event(Note(f"slim: and {len(lines) - TOLD} more"))


def _choose(sets: Sets, ranked: dict[int, float], how: Slim, left: dict[tuple[str, ...], float]) -> set[int]:
    """The groups that go, so that so many are ``left`` of each set, or of all of them together."""
    if how.scope == "global":
        everything = [root for members in sets.values() for root in members]
        lowest = _lowest(everything, ranked, round(sum(left.values())))
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
        rows = map(_rows, layers, scores.taylor(model, layers, _some(work, generator), work.pixels))
    else:
        rows = map(_rows, layers, scores.magnitude(layers))
    match how.criterion:
        case "l2":
            return [np.sqrt(np.square(row).sum(0)) for row in rows]
        case "random":
            return [generator.random((row.shape[1],)) for row in rows]
        case _:
            return [row.sum(0) for row in rows]


def _some(work: Work, generator: np.random.Generator) -> Images:
    """Training pictures, drawn by chance."""
    return work.data.train.take(generator.permutation(len(work.data.train))[:SCORED])


def _rows(layer: keras.Layer, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A kernel's values [weights, output channels]."""
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return values.reshape(-1, values.shape[-2] * values.shape[-1] if depthwise else values.shape[-1])
