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
from bramble.fit import Lesson, fit
from bramble.rebuild import without
from bramble.recipe import Slim
from bramble.work import Work

SCORED = 2_048


def slim(model: keras.Model, how: Slim, work: Work, lesson: Lesson) -> keras.Model:
    """A smaller model with ``how.ratio`` of the removable channels gone, fine-tuned after each of ``how.steps`` rounds.

    Raises IncompatibleError for a model that cannot be traced, RecipeError where nothing could be removed.
    """
    keep = (1.0 - how.ratio) ** (1.0 / how.steps)
    for number in range(how.steps):
        found = trace(model)
        if number == 0 and found.unknown:
            work.on_event(Note(f"slim: left alone around {', '.join(found.unknown)}", warning=True))
        gone = _choose(model, found, how, 1.0 - keep, work)
        if not gone:
            raise RecipeError("slim: no channel can be removed", "a larger ratio, a smaller round_to, or another kind")
        model = without(model, found, gone)
        fit(model, how, work, lesson)
    return model


def _choose(model: keras.Model, found: Channels, how: Slim, ratio: float, work: Work) -> set[int]:
    """The groups that go."""
    blocked = set(found.frozen_roots()) | (found.joined_roots() if how.kind == "filters" else set())
    ranked = _scored(model, found, how, work)
    sets = _sets(found, blocked)
    if how.scope == "global":
        return _lowest_overall(sets, ranked, ratio, how.round_to)
    gone: set[int] = set()
    for members in sets:
        gone |= _lowest(members, ranked, _leaving(len(members), ratio, how.round_to))
    return gone


def _sets(found: Channels, blocked: set[int]) -> list[list[int]]:
    """The removable groups, set by set: those that the same layers make."""
    makers: dict[int, tuple[str, ...]] = {}
    for use in found.uses:
        if use.into is not use.out:
            for root in dict.fromkeys(int(one) for one in found.roots(use.out)):
                makers[root] = (*makers.get(root, ()), use.layer.name)
    sets: dict[tuple[str, ...], list[int]] = {}
    for root, names in makers.items():
        if root not in blocked:
            sets.setdefault(names, []).append(root)
    return list(sets.values())


def _leaving(count: int, ratio: float, round_to: int) -> int:
    """How many of ``count`` channels go: at most the share, leaving a multiple of ``round_to`` and at least one."""
    left = max(1, round(count * (1.0 - ratio)))
    if round_to > 1:
        left = max(round_to, round(left / round_to) * round_to)
    return max(0, count - left)


def _lowest(members: list[int], ranked: dict[int, float], number: int) -> set[int]:
    return set(sorted(members, key=lambda root: ranked[root])[:number])


def _lowest_overall(sets: list[list[int]], ranked: dict[int, float], ratio: float, round_to: int) -> set[int]:
    """The lowest share over all sets; each set keeps at least one channel, and a multiple of ``round_to``."""
    everything = [root for members in sets for root in members]
    limit = _lowest(everything, ranked, round(ratio * len(everything)))
    gone: set[int] = set()
    for members in sets:
        share = sum(root in limit for root in members) / len(members)
        gone |= _lowest(members, ranked, _leaving(len(members), share, round_to))
    return gone


def _scored(model: keras.Model, found: Channels, how: Slim, work: Work) -> dict[int, float]:
    """The score of each group: the sum over the layers that make it, each layer's scores brought to mean 1."""
    if how.criterion == "bn" and not any(isinstance(use.layer, BatchNormalization) for use in found.uses):
        raise RecipeError('slim: criterion = "bn" needs batch normalization, the model has none', "use l2")
    total: dict[int, float] = {}
    for use in found.uses:
        if isinstance(use.layer, BatchNormalization) != (how.criterion == "bn"):
            continue
        values = _of_layer(model, use.layer, how, work)
        values = values / (values.mean() or 1.0)
        for root, value in zip(found.roots(use.out), values, strict=True):
            total[int(root)] = total.get(int(root), 0.0) + float(value)
    return {int(root): total.get(int(root), 1.0) for use in found.uses for root in found.roots(use.out)}


def _of_layer(model: keras.Model, layer: keras.Layer, how: Slim, work: Work) -> NDArray[np.float64]:
    """One score an output channel of a layer."""
    if how.criterion == "bn":
        return np.abs(np.asarray(layer.gamma, dtype=np.float64))
    kernel = np.asarray(layer.kernel, dtype=np.float64)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    rows = kernel.reshape(-1, kernel.shape[-2] * kernel.shape[-1] if depthwise else kernel.shape[-1])
    match how.criterion:
        case "l1":
            found = np.abs(rows).sum(0)
        case "l2":
            found = np.sqrt(np.square(rows).sum(0))
        case "random":
            found = np.random.default_rng(work.seed).random(rows.shape[1])
        case _:
            chosen = np.random.default_rng(work.seed).permutation(len(work.data.train))[:SCORED]
            images = work.data.train.take(chosen)
            found = scores.taylor(model, [layer], images, work.pixels)[0].reshape(rows.shape).sum(0)
    return np.asarray(found)
