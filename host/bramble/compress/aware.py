"""Quantization-aware training: train on with weights and activations rounded as the integers will be (1712.05877).

    w → round(w/s_c)·s_c, s_c = max|w_c|/127        x → clip(round(x/s) + z)·s − z·s        derivatives pass straight

The steps s of the activations start from calibration and are trained (LSQ, Esser et al. 2020, 1902.08153; what is
learned is log s). Scales of kernels are one a channel, which commute with batch norm's factors; so norms stay while the
model learns, keep their statistics as they are for the last epochs, and are folded afterwards: the integers stay.
What was before goes on: zeros of a pruning stay zero, and a kernel of few values (clusters, buckets) keeps which weight
has which, the gradient of a value being the sum over its weights (Han et al. 2016, 1510.00149). The best epoch by the
simulation's held-out accuracy is kept. Dropout rests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.errors import IncompatibleError
from bramble.held.masks import prunable
from bramble.held.seen import View, own_kernel, seen_through
from bramble.held.sharing import Groups, alike, shared_groups, sharing
from bramble.quantization.export import Ready, tie, weighted
from bramble.quantization.grid import fake, reduced_axes
from bramble.quantization.prepare import prepare
from bramble.recipe_quantize import Quantize
from bramble.training.fit import fit
from bramble.training.lesson import Lesson
from bramble.work import Work

ops = keras.ops


def aware(model: keras.Model, how: Quantize, work: Work, lesson: Lesson) -> Ready:
    """Train a rounded copy of ``model`` by ``how.aware``; ``model`` itself stays as it is. For the exporter.

    Raises IncompatibleError for a graph that cannot be followed, DataError where the training pictures set no ranges,
    TrainingDiverged.
    """
    tuning = how.aware
    if tuning is None:
        raise IncompatibleError("quantize: there is no table aware to train by", "give aware = { epochs = … }")
    ready = prepare(model, how, work, learned=True)
    simulation = ready.simulation
    layers = weighted(simulation)
    groups = _groups(simulation, ready) if tuning.keep_shared else {}
    layers = [layer for layer in layers if layer.name not in ready.kept]
    views = [_view(layer, layer.name in ready.tied, how.coarse) for layer in layers]
    training = tuning.model_copy(update={"keep_shared": False})  # they are held here, and summed once
    settling = round(tuning.epochs * (1.0 - tuning.settle))
    with seen_through(layers, views), sharing(simulation, groups), _settling(simulation) as settle:
        callbacks = (*lesson.callbacks, _At(settling, settle), Best(simulation))
        fit(simulation, training, work, replace(lesson, callbacks=callbacks))
    return Ready(simulation, tie(simulation, ready.tied), ready.kept)


def _groups(simulation: keras.Model, ready: Ready) -> dict[str, Groups]:
    """Which weights share a value: those of tied layers, and of any others that an earlier stage left so."""
    tied = {name: alike(np.asarray(simulation.get_layer(name).kernel)) for name in ready.tied}
    return {**shared_groups(prunable(simulation)), **tied}


class Best(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the weights of the epoch with the highest held-out accuracy (of equals the later), and gives them back."""

    def __init__(self, kept: keras.Model) -> None:
        super().__init__()
        self._kept, self._best, self._weights = kept, -1.0, list[NDArray[Any]]()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the epoch."""
        if float(logs["val_accuracy"]) >= self._best:
            self._best, self._weights = float(logs["val_accuracy"]), self._kept.get_weights()

    def on_train_end(self, logs: Any = None) -> None:
        """Give the best back."""
        self._kept.set_weights(self._weights)


class _At(keras.callbacks.Callback):  # type: ignore[misc]
    """Calls ``change`` before an epoch, and lets Keras trace its training step anew."""

    def __init__(self, epoch: int, change: Callable[[], None]) -> None:
        super().__init__()
        self._epoch, self._change = epoch, change

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Is it time?"""
        if epoch == self._epoch:
            self._change()
            self.model.make_train_function(force=True)


@contextmanager
def _settling(model: keras.Model) -> Iterator[Callable[[], None]]:
    """While inside, calling what is yielded makes norms use their statistics as they are; scale and shift learn on."""
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    kinds, settled = [type(norm) for norm in norms], [False]

    def quiet(kind: Any) -> Any:
        def call(norm: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return kind.call(norm, inputs, training=training and not settled[0], mask=mask)

        return type(kind)(kind.__name__, (kind,), {"call": call})

    def settle() -> None:
        settled[0] = True

    try:
        for norm, kind in zip(norms, kinds, strict=True):
            norm.__class__ = quiet(kind)
        yield settle
    finally:
        for norm, kind in zip(norms, kinds, strict=True):
            norm.__class__ = kind


def _view(layer: Any, tied: bool, coarse: bool) -> View:
    """How a kernel is rounded: one grid a channel, or one for all where they are tied."""
    axes = tuple(range(len(own_kernel(layer).shape))) if tied else reduced_axes(layer)
    return partial(fake, axes=axes, coarse=coarse and not tied)
