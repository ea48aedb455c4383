"""From a float model to a calibrated simulation: what post-training and quantization-aware int8 begin with alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.errors import RecipeError
from bramble.quantization.adaround import adaround
from bramble.quantization.bias_correction import correct_bias, with_biases
from bramble.quantization.equalize import equalize
from bramble.quantization.export import Ready, few_valued, tie, weighted
from bramble.quantization.fold import fold
from bramble.quantization.places import places
from bramble.quantization.plain import plain
from bramble.quantization.ranges import calibrate, demand_pictures
from bramble.quantization.simulate import simulate
from bramble.recipe_quantize import Quantize
from bramble.work import Work
from bramble_agent.pixels import table, to_input
from bramble_agent.wire import TensorSpec

FLOAT = TensorSpec("", (), "float32")
BATCH = 128


def prepare(model: keras.Model, how: Quantize, work: Work, learned: bool = False) -> Ready:
    """Lay ``model`` out plainly, calibrate it on training pictures, round its activations, and repair it as asked.

    Kernels of few values are tied. ``learned`` leaves norms and makes ranges trainable, for training on. Raises
    IncompatibleError for a graph that cannot be followed or a dead layer, DataError for data that sets no ranges,
    RecipeError for a layer to keep that is not there.
    """
    graph = plain(model)
    _demand_layers(graph, how.keep)
    reference = plain(model) if how.repairs() else graph
    tied = tie(graph, [name for name in few_valued(graph) if name not in how.keep])
    still = {*tied, *how.keep}
    graph = laid_out(graph, how, still, learned)
    pixels = {tensor.name: (work.pixels.low, work.pixels.high) for tensor in graph.inputs}
    where = places(graph, pixels)
    real = calibration_pictures(how, work)

    def batches() -> Iterator[list[NDArray[Any]]]:
        for start in range(0, len(real), BATCH):
            yield [real[start : start + BATCH]]

    ready = Ready(simulate(graph, where, calibrate(graph, where, batches, how.calibrate), learned), tied, how.keep)
    reference = laid_out(reference, how, still, learned) if how.repairs() else graph
    if how.rounding == "adaround":
        adaround(ready, reference, batches, work)
    if how.correct_bias:
        correct_bias(ready, reference, batches)
    return ready


def laid_out(graph: keras.Model, how: Quantize, still: Collection[str], learned: bool) -> keras.Model:
    """Norms folded, layers equalized and given biases as asked; the same scales whether ``still`` layers are tied."""
    graph = fold(graph, keep_norms=learned)
    graph = equalize(graph, still) if how.equalize else graph
    return with_biases(graph) if how.correct_bias else graph


def _demand_layers(graph: keras.Model, names: Iterable[str]) -> None:
    """Raise RecipeError for a name that no layer with a kernel has."""
    known = [layer.name for layer in weighted(graph)]
    for name in names:
        if name not in known:
            raise RecipeError(f"quantize: there is no layer {name!r} to keep", f"layers: {', '.join(known)}")


def calibration_pictures(how: Quantize, work: Work) -> NDArray[np.float32]:
    """Training pictures that set ranges, as real values, drawn by the recipe's seed. Raises DataError."""
    training = work.data.train
    chosen = np.random.default_rng(work.seed).permutation(len(training))[: how.calibration]
    real = to_input(training.take(chosen).pixels, table(work.pixels, FLOAT))
    demand_pictures(lambda: iter([[real]]))
    return real
