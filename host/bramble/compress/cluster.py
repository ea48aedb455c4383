"""Weight sharing: the weights of a layer take few values, found by k-means (Deep Compression, Han 2015, 1510.00149, 3).

    w ← c[label(w)];   ∂L/∂c[k] = Σ ∂L/∂w over label(w) = k, while the labels stay

Zeros of an earlier pruning are no cluster: they stay zeros, and the values are found for the others. Few values make a
file small once it is coded (log₂ K bits a weight, and the codebook); they make no dense runtime faster.
"""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.events import Note
from bramble.few_values.codebooks import scalars, starts
from bramble.few_values.shared_fit import demand_named, fit_shared, told
from bramble.held.masks import prunable
from bramble.held.seen import own_kernel
from bramble.held.sharing import Groups
from bramble.held.zeros import alive
from bramble.recipe_sharing import Cluster
from bramble.training.dropout import with_dropout
from bramble.training.lesson import Lesson
from bramble.work import Work


def cluster(model: keras.Model, how: Cluster, work: Work, lesson: Lesson) -> keras.Model:
    """Cluster the layers' weights, then train the values for ``how.epochs``.

    The result is the model, or a copy with other dropout. Raises RecipeError for a layer that is not there, UsageError
    for dropout on a model without Dropout layers, TrainingDiverged.
    """
    demand_named(prunable(model), how.bits or (), "cluster")
    if how.dropout is not None:
        model = with_dropout(model, how.dropout)
    layers, generator = prunable(model), np.random.default_rng(work.seed)
    groups = {}
    for layer, mask in zip(layers, alive(layers), strict=True):
        count = how.clusters if how.bits is None else 2 ** how.bits.get(layer.name, 0)
        kept = mask if how.keep_zeros else np.ones_like(mask)
        if count is not None and count > 1 and kept.any():
            groups[layer.name] = _clustered(layer, kept, _possible(layer, kept, count, work), how.start, generator)
    work.on_event(Note(f"cluster: values for weights: {told(groups)}"))
    fit_shared(model, groups, how, work, lesson)
    return model


def _possible(layer: keras.Layer, kept: NDArray[np.bool_], count: int, work: Work) -> int:
    """The number of clusters, fewer where the weights have fewer different values, which is told."""
    different = len(np.unique(np.asarray(own_kernel(layer))[kept]))
    if different < count:
        said = f"cluster: {layer.name} has {different} different weights: as many clusters, not {count}"
        work.on_event(Note(said, warning=True))
    return min(count, different)


def _clustered(
    layer: keras.Layer, kept: NDArray[np.bool_], count: int, start: str, generator: np.random.Generator
) -> Groups:
    """Give the layer's weights the values that k-means finds; which weights share one."""
    kernel = np.asarray(own_kernel(layer))
    weights = kernel[kept].astype(np.float64)
    values, labels = scalars(weights, starts(weights, count, start, generator))
    index = np.zeros(kernel.shape, np.int32)
    index[kept] = labels
    groups = Groups(index, kept.astype(np.float32), len(values))
    own_kernel(layer).assign(groups.spread(values))
    return groups
