"""BinaryConnect: two values a kernel, trained through real shadow weights (Courbariaux et al. 2015, 1511.00363).

    the forward pass sees a · b(w);   w ← clip(w − rate · ∂L/∂(a·b(w)), −a, a)
    b(w) = 1 if w ≥ 0 else −1;   stochastic: b(w) = 1 with probability clip((w/a + 1) / 2, 0, 1)

With a = √(1.5 / (inputs + outputs)) a common learning rate does what the paper's, scaled by 1/a, does on ±1. The paper
tests stochastic nets with their real weights; here signs are what comes out, and batch norm statistics are taken anew.
Ternary Weight Networks (Li et al. 2016, 1605.04711): b(w) = 0 where |w| ≤ Δ = 0.7·mean|w|, a the mean |w| of the rest.

The shadow weights begin as the kernel, brought to the width of a uniform one in [−a, a]. Zeros of an earlier prune stay
(``keep_zeros``). The paper has a batch norm after every layer; the model is taken as it is.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import keras
import numpy as np

from bramble.errors import RecipeError
from bramble.events import Note
from bramble.few_values.shadows import Settled, Shadow, clipped, shadow, widen
from bramble.few_values.shared_fit import demand_named
from bramble.held.masks import prunable
from bramble.held.seen import View, own_kernel, seen_through
from bramble.held.sharing import shared_groups, sharing
from bramble.held.zeros import alive
from bramble.recipe_sharing import Binarize
from bramble.training.bn_stats import reestimate
from bramble.training.dropout import with_dropout
from bramble.training.fit import fit
from bramble.training.hinge import SquareHinge
from bramble.training.lesson import Lesson
from bramble.training.softmax import ends_in_softmax
from bramble.work import Work

MEASURED = 2_048  # training pictures for the statistics of batch norm


def binarize(model: keras.Model, how: Binarize, work: Work, lesson: Lesson) -> keras.Model:
    """Train ``model`` with binary (ternary) kernels, which it has in the end; layers in ``how.keep`` stay real.

    The result is the model, or a copy with other dropout. Raises RecipeError for a layer that is not there, for none
    left to binarize and for a square hinge loss on probabilities, UsageError for dropout on a model without Dropout
    layers, TrainingDiverged.
    """
    _check(model, how)
    if how.dropout is not None:
        model = with_dropout(model, how.dropout)
    shadows = _shadows(model, how, work.seed)
    drawing = keras.Variable(True, trainable=False, dtype="bool")
    if how.rule == "stochastic":
        lesson = replace(lesson, callbacks=(*lesson.callbacks, Settled(drawing)))
    if how.loss == "square-hinge":
        lesson = replace(lesson, loss=SquareHinge())
    real = {name: one for name, one in shared_groups(prunable(model)).items() if name in how.keep}
    with ExitStack() as held:
        held.enter_context(seen_through([one.layer for one in shadows], [_view(one, how, drawing) for one in shadows]))
        if how.rule != "ternary":
            held.enter_context(clipped(shadows))
        if how.keep_shared:
            held.enter_context(sharing(model, real))
        fit(model, how.model_copy(update={"keep_shared": False}), work, lesson)
    for one in shadows:
        one.kernel.assign(one.ternary(one.kernel) if how.rule == "ternary" else one.signs(one.kernel))
    if how.reestimate and how.epochs:
        some = np.random.default_rng(work.seed).permutation(len(work.data.train))[:MEASURED]
        reestimate(model, work.data.train.pixels[some], work.pixels)
    sizes = (f"{one.layer.name} ±{np.abs(np.asarray(one.kernel)).max():.3g}" for one in shadows)
    work.on_event(Note(f"binarize: {', '.join(sizes)}"))
    return model


def _check(model: keras.Model, how: Binarize) -> None:
    layers = prunable(model)
    demand_named(layers, how.keep, "binarize")
    if all(layer.name in how.keep for layer in layers):
        raise RecipeError("binarize: there is no layer to binarize", "take one out of keep")
    if how.loss == "square-hinge" and ends_in_softmax(model):
        raise RecipeError("binarize: a square hinge loss needs logits, the model ends in a softmax", "leave out loss")


def _shadows(model: keras.Model, how: Binarize, seed: int) -> list[Shadow]:
    """The shadow weights of the layers that become binary, ready to learn."""
    layers, found = prunable(model), []
    for number, (layer, mask) in enumerate(zip(layers, alive(layers), strict=True)):
        if layer.name not in how.keep:
            kept = mask if how.keep_zeros else np.ones_like(mask)
            found.append(shadow(layer, kept, _size(layer) if how.scale == "glorot" else 1.0, seed + number))
    if how.rule != "ternary":
        for one in found:
            widen(one)
    return found


def _size(layer: keras.Layer) -> float:
    """√(1.5 / (inputs + outputs)), as the paper's code has it; of a convolution, those of one place of its output."""
    *size, inputs, outputs = own_kernel(layer).shape
    return math.sqrt(1.5 / (math.prod(size) * (inputs + outputs)))


def _view(one: Shadow, how: Binarize, drawing: keras.Variable) -> View:
    match how.rule:
        case "deterministic":
            return one.signs
        case "stochastic":
            return partial(one.drawn, drawing)
        case "ternary":
            return one.ternary
