"""HashedNets: a layer's weights are few trained values, drawn by a hash of their place (Chen et al. 2015, 1504.04788).

    w[o, i] = ξ(p) · v[h(p)],   p = o · inputs + i,   h(p) = xxh32(p, s) mod K,   ξ(p) = 1 − 2 · (xxh32(p, s + 1) mod 2)
    ∂L/∂v[k] = Σ ξ(p) · ∂L/∂w over h(p) = k

Places count as in a .tflite, output channel first, each as four little-endian bytes; s is the layer's seed. So K values
and the seed are all that a layer has to store, no index. Biases stay real. The model that comes out is a plain one, its
kernels written out; ``hashed`` says what they were made of.
"""

from __future__ import annotations

import math

import keras
import numpy as np

from bramble.errors import RecipeError
from bramble.events import Note
from bramble.few_values.shared_fit import demand_named, fit_shared, tell_zeros_lost, told
from bramble.held.masks import prunable
from bramble.held.seen import own_kernel
from bramble.held.sharing import Groups
from bramble.recipe_sharing import Hash
from bramble.training.dropout import with_dropout
from bramble.training.lesson import Lesson
from bramble.work import Work
from bramble_agent.unpacking.xxh32 import xxh32


def hash(model: keras.Model, how: Hash, work: Work, lesson: Lesson) -> keras.Model:
    """Hash the layers' weights into buckets, then train the buckets' values for ``how.epochs``.

    The result is the model, or a copy with other dropout. Raises RecipeError for a layer that is not there or has fewer
    weights than buckets, UsageError for dropout on a model without Dropout layers, TrainingDiverged.
    """
    made_of = hashed(model, how)
    tell_zeros_lost(model, made_of, "hash", work)
    if how.dropout is not None:
        model = with_dropout(model, how.dropout)
    groups = {}
    for name, one in made_of.items():
        kernel = own_kernel(model.get_layer(name))
        groups[name] = hashed_groups(kernel.shape, one["buckets"], one["seed"])
        if how.start == "mean":
            kernel.assign(groups[name].spread(groups[name].means(np.asarray(kernel))))
    work.on_event(Note(f"hash: values for weights: {told(groups)}"))
    fit_shared(model, groups, how.model_copy(update={"keep_zeros": False}), work, lesson)
    return model


def hashed(model: keras.Model, how: Hash) -> dict[str, dict[str, int]]:
    """The ``seed`` and number of ``buckets`` of each layer that is hashed, by name. Raises RecipeError, as above."""
    layers = prunable(model)
    demand_named(layers, how.buckets or (), "hash")
    found = {}
    for number, layer in enumerate(layers):
        size = math.prod(own_kernel(layer).shape)
        count = how.buckets.get(layer.name, 0) if how.buckets is not None else max(1, round(how.compression * size))
        if count > size:
            raise RecipeError(f"hash: {layer.name} has {size} weights, fewer than {count} buckets", "give it fewer")
        if count:
            found[layer.name] = {"seed": how.seed + 2 * number, "buckets": count}
    return found


def hashed_groups(shape: tuple[int, ...], buckets: int, seed: int) -> Groups:
    """Bucket and sign of each weight of a Keras kernel of this shape (a dense, convolution or depthwise one)."""
    outputs_first = (shape[-1], *shape[:-1])
    places = np.arange(math.prod(shape), dtype=np.uint32)
    index = (xxh32(places, seed) % np.uint32(buckets)).astype(np.int32)
    sign = np.where(xxh32(places, seed + 1) & np.uint32(1), np.float32(-1.0), np.float32(1.0))
    return Groups(
        np.moveaxis(index.reshape(outputs_first), 0, -1), np.moveaxis(sign.reshape(outputs_first), 0, -1), buckets
    )
