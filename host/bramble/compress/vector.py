"""Product quantization of dense layers (Gong, Liu, Yang, Bourdev 2014, 1412.6115, section 3.3).

    W [inputs, outputs] = [W¹ … Wˢ], each of ``block`` columns;   a row of Wⁱ ← the nearest of K codewords of block i

Each block of columns has a codebook of its own, found by k-means over its rows; the last block may be narrower. Stored
are log₂ K bits a run and s codebooks. Fine-tuning, which the paper leaves out, moves the codewords by the summed
gradients of their members, while the labels stay.
"""

from __future__ import annotations

import keras
import numpy as np

from bramble.errors import RecipeError
from bramble.events import Note
from bramble.few_values.codebooks import vectors
from bramble.few_values.shared_fit import demand_named, fit_shared, tell_zeros_lost, told
from bramble.held.sharing import Groups
from bramble.recipe_sharing import Vector
from bramble.training.dropout import with_dropout
from bramble.training.lesson import Lesson
from bramble.work import Work


def vector(model: keras.Model, how: Vector, work: Work, lesson: Lesson) -> keras.Model:
    """Give the rows of dense layers the codewords of k-means, then train the codewords for ``how.epochs``.

    The result is the model, or a copy with other dropout. Raises RecipeError for a model without dense layers, a layer
    that is none, or one whose codebooks would have as many weights as it has itself, UsageError for dropout on a model
    without Dropout layers, TrainingDiverged.
    """
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    demand_named(dense, how.layers, "vector")
    names = how.layers or tuple(layer.name for layer in dense)
    if not names:
        raise RecipeError("vector: the model has no dense layer", "cluster works on convolutions too")
    tell_zeros_lost(model, names, "vector", work)
    if how.dropout is not None:
        model = with_dropout(model, how.dropout)
    for name in names:
        rows = model.get_layer(name).kernel.shape[0]
        if rows <= how.codewords:
            said = f"vector: {name} has {rows} rows, no more than {how.codewords} codewords"
            raise RecipeError(said, "give fewer codewords, or name other layers")
    groups = {name: _quantized(model.get_layer(name), how, work.seed) for name in names}
    work.on_event(Note(f"vector: values for weights: {told(groups)}"))
    fit_shared(model, groups, how.model_copy(update={"keep_zeros": False}), work, lesson)
    return model


def _quantized(layer: keras.Layer, how: Vector, seed: int) -> Groups:
    """Give the layer's weights the codewords' values; which weights share one."""
    kernel = np.asarray(layer.kernel, dtype=np.float64)
    index, values = np.zeros(kernel.shape, np.int32), list[float]()
    for start in range(0, kernel.shape[1], how.block):
        columns = slice(start, start + how.block)
        codewords, labels = vectors(kernel[:, columns], how.codewords, seed)
        places = len(values) + np.arange(codewords.size, dtype=np.int32).reshape(codewords.shape)
        index[:, columns] = places[labels]
        values += codewords.ravel().tolist()
    groups = Groups(index, np.ones(kernel.shape, np.float32), len(values))
    layer.kernel.assign(groups.spread(np.array(values)))
    return groups
