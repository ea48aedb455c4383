"""Unstructured pruning: remove the weights that matter least, retrain the survivors (Han et al. 2015, 1506.02626).

    keep = score ≥ threshold, w ← keep · w after every step; the threshold rises while training goes on

The threshold comes from a density (over all layers, or in each), from densities by layer, or from q·std(layer) as in
the paper. Dropout in retraining is Han's rate · sqrt(share kept of the layer before it). Zeros make a file small once
it is coded; they make no dense runtime faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import keras
import numpy as np

from bramble.datasets.types import Images
from bramble.errors import IncompatibleError, RecipeError
from bramble.events import Note
from bramble.held.masks import Masks, Ramp, Scores, masked, prunable, put, set_masks
from bramble.held.resting import resting
from bramble.held.sharing import shared_groups
from bramble.held.zeros import alive
from bramble.pruning import scores
from bramble.pruning.dead import without_dead
from bramble.pruning.density import Course, targets
from bramble.pruning.phases import Phase, phases
from bramble.pruning.regrow import SETTLED, regrowing, with_margin
from bramble.pruning.sensitivity import allocate, scan
from bramble.pruning.surgeon import Surgeon
from bramble.recipe import Prune
from bramble.training.dropout import dropout_rates, with_dropout, with_rates
from bramble.training.fit import fit
from bramble.training.lesson import Lesson
from bramble.work import Work

UPDATES = 60  # how often the masks change on the ramp
REGROWTHS = 200  # and how often with regrowth, after the ramp too
SCORED = 2_048  # training pictures that gradients and inputs are taken on


def prune(model: keras.Model, how: Prune, work: Work, lesson: Lesson) -> keras.Model:
    """Prune ``model`` while training it for ``how.epochs``.

    The result is the model, or a copy with other dropout or without the units that died. Raises RecipeError where a
    layer that the recipe names is not there or phases cannot alternate, UsageError for dropout on a model without
    Dropout layers, TrainingDiverged.
    """
    _check(how, model)
    if parting := shared_groups(prunable(model)):
        said = f"prune: the weights of {', '.join(parting)} no longer share values: prune first, then cluster"
        work.on_event(Note(said, warning=True))
    if how.dropout is not None:
        model = with_dropout(model, how.dropout)
    aims = _aims(how, model, work)
    if how.rescale_dropout and any(dropout_rates(model).values()):
        model = _rescaled(model, how, aims, work)
    for phase in phases(how, model):
        with resting(phase.resting):
            _one_phase(model, phase, aims, work, lesson)
    return _alive(model, work) if how.remove_dead else model


def _one_phase(model: keras.Model, phase: Phase, aims: list[float], work: Work, lesson: Lesson) -> None:
    """Prune and train the phase's layers; all layers are ranked, for densities that count over the whole model."""
    how, layers = phase.how, prunable(model)
    mine = [number for number, layer in enumerate(layers) if layer in phase.layers]
    ranked, course = _ranking(how, model, work), Course.of(how, layers, phase.done, aims, work.seed)
    training = how.model_copy(update={"keep_zeros": False, "keep_shared": False})  # the masks hold the zeros
    masks = course.alive
    hold, change = (regrowing, set_masks) if how.regrow else (masked, put)
    with hold(phase.layers) as held:

        def spread(done: float) -> None:
            nonlocal masks
            masks = course.masks(with_margin(ranked(), masks) if how.regrow else ranked(), done, masks)
            change(held, [masks[number] for number in mine])

        if how.criterion == "obs":
            masks = _operate(model, phase, course, work)
            put(held, [masks[number] for number in mine])
            fit(model, training, work, lesson)
            return
        course.demand_all_layers(ranked(), layers)
        if how.survivors == "reinitialise":
            spread(1.0)
            kept = [np.asarray(one.mask).astype(bool) for one in held]
            _reinitialise(phase.layers, work.seed)
            put(held, kept)
            fit(model, training, work, lesson)
        elif how.epochs:
            fit(model, training, work, _ramped(how, work, lesson, spread))
        else:
            spread(1.0)


def _alive(model: keras.Model, work: Work) -> keras.Model:
    """The model without its dead units, or as it is where its graph cannot be followed."""
    try:
        return without_dead(model)
    except IncompatibleError as error:
        work.on_event(Note(f"prune: dead units stay: {error.message}", warning=True))
        return model


def _check(how: Prune, model: keras.Model) -> None:
    known = [layer.name for layer in prunable(model)]
    for name in (*how.weights, *(how.densities or {})):
        if name not in known:
            raise RecipeError(f"prune: the model has no layer {name!r} to prune", f"its layers: {', '.join(known)}")


def _aims(how: Prune, model: keras.Model, work: Work) -> list[float]:
    """The density to reach in each layer (all the same where layers are ranked together)."""
    if how.scope == "sensitivity" and how.density is not None:
        return _alike(how, model, work, how.density)
    return targets(how, prunable(model))


def _alike(how: Prune, model: keras.Model, work: Work, density: float) -> list[float]:
    """The densities by which all layers lose alike, told in a line."""
    layers = prunable(model)
    curves = scan(model, layers, _ranking(how, model, work)(), _sample(work), work.pixels)
    found = allocate(curves, {layer.name: math.prod(layer.kernel.shape) for layer in layers}, density)
    shares = ", ".join(f"{name} {share:.3g}" for name, share in found.items())
    work.on_event(Note(f"prune: densities by sensitivity: {shares}"))
    return list(found.values())


def _ranking(how: Prune, model: keras.Model, work: Work) -> Callable[[], Scores]:
    """A function that scores all weights as they are when it is called."""
    layers = prunable(model)
    images = _sample(work)

    def ranked() -> Scores:
        match how.criterion:
            case "magnitude":
                found = scores.magnitude(layers)
            case "random":
                found = scores.random(layers, work.seed)
            case "taylor":
                found = scores.taylor(model, layers, images, work.pixels)
            case "obd":
                found = scores.obd(model, layers, images, work.pixels)
            case "obs":
                found = Surgeon.of(model, layers, images, work.pixels).saliencies(alive(layers))
        return _weighted(how, layers, found)

    return ranked


def _operate(model: keras.Model, phase: Phase, course: Course, work: Work) -> Masks:
    """Cut to the density at once, by the surgeon's costs, and let the survivors make up for it."""
    layers = prunable(model)
    surgeon = Surgeon.of(model, layers, _sample(work), work.pixels)
    costs = _weighted(phase.how, layers, surgeon.saliencies(course.alive))
    course.demand_all_layers(costs, layers)
    masks = course.masks(costs, 1.0, course.alive)
    surgeon.compensate(phase.layers, masks)
    return masks


def _sample(work: Work) -> Images:
    """Training pictures to score on."""
    return work.data.train.take(np.random.default_rng(work.seed).permutation(len(work.data.train))[:SCORED])


def _weighted(how: Prune, layers: Sequence[keras.Layer], found: Scores) -> Scores:
    """The scores times the recipe's factors."""
    return [score * how.weights.get(layer.name, 1.0) for layer, score in zip(layers, found, strict=True)]


def _ramped(how: Prune, work: Work, lesson: Lesson, spread: Callable[[float], None]) -> Lesson:
    """The lesson with the ramp going on; early stopping waits for its end, else the best epoch were a denser one.

    With regrowth the masks change on after the ramp, until the rest that regrow.SETTLED gives the survivors.
    """
    steps = math.ceil(len(work.data.train) / how.batch_size)
    falling = 1 if how.ramp == "one-shot" else max(1, round(how.ramp_share * steps * how.epochs))
    last = max(falling, round((1.0 - SETTLED) * steps * how.epochs)) if how.regrow else falling
    every = max(1, last // (REGROWTHS if how.regrow else UPDATES))
    ramp = Ramp(lambda done: spread(min(1.0, done * last / falling)), last, every)
    return replace(lesson, callbacks=(*lesson.callbacks, ramp), unsettled=math.ceil(last / steps) - 1)


def _rescaled(model: keras.Model, how: Prune, aims: list[float], work: Work) -> keras.Model:
    """Han's dropout rule: D_r = D_o · sqrt(C_ir / C_io), with the connections of the layer before each Dropout.

    C_ir are those left if the scores stayed as they are now. A rate that the stage sets is that of the whole layer;
    otherwise an earlier pruning has had its part of the rule, and C_io counts what lives.
    """
    layers = prunable(model)
    course = Course.of(how, layers, [], aims, work.seed)
    left = course.demand_all_layers(_ranking(how, model, work)(), layers)
    whole = [np.ones_like(mask) for mask in course.alive] if how.dropout is not None else course.alive
    share_of = {
        layer.name: min(1.0, float(kept.sum()) / max(1, int(before.sum())))
        for layer, kept, before in zip(layers, left, whole, strict=True)
    }
    shares, share = dict[str, float](), next(iter(share_of.values()))  # a Dropout before all layers goes by the first
    for layer in model.layers:
        shares[layer.name] = share = share_of.get(layer.name, share)
    return with_rates(model, {name: rate * math.sqrt(shares[name]) for name, rate in dropout_rates(model).items()})


def _reinitialise(layers: list[keras.Layer], seed: int) -> None:
    """Fresh weights from each layer's own initialiser."""
    keras.utils.set_random_seed(seed + 1)
    for layer in layers:
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        own = layer.depthwise_initializer if depthwise else layer.kernel_initializer
        layer.kernel.assign(own.clone()(layer.kernel.shape))  # an initialiser repeats its numbers, a clone does not
