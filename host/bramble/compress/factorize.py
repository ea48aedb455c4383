"""Low-rank factorization: layers become thin ones in a row, as few weights as one knob for the error allows.

    dense      x·K ≈ (x·U)·V                               K [m, n] of rank r: r·(m + n) weights
    conv k×k   1×1 to r channels, k×k from r to s, 1×1 out   i·r + k²·r·s + s·o weights

Dense and 1 x 1 convolutions by truncated SVD (Denton et al. 2014, 1404.0736), other convolutions by Tucker-2 (Kim et
al. 2016, 1511.06530); one relative error for every layer, then fine-tuning, as KerasCompressor had it. Bias and
activation stay with the last of the new layers, strides and padding with the k x k one. Grouped and depthwise
convolutions are left alone. A pruned kernel becomes dense again: factorize first, then prune.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.errors import RecipeError
from bramble.events import Note
from bramble.graph.low_rank import split_kernel, split_matrix
from bramble.graph.rewire import demand_plain, with_chains
from bramble.held.zeros import alive
from bramble.recipe import Factorize
from bramble.training.dropout import with_dropout
from bramble.training.fit import fit
from bramble.training.lesson import Lesson
from bramble.work import Work

layers = keras.layers
Parts = dict[str, NDArray[np.float64]]
POINTWISE = {"kernel_size": 1, "strides": 1, "padding": "valid", "dilation_rate": 1}
BARE = {"use_bias": False, "activation": None, "activity_regularizer": None}


def factorize(model: keras.Model, how: Factorize, work: Work, lesson: Lesson) -> keras.Model:
    """A smaller model: each layer that has fewer weights as factors is replaced by them; fine-tuned.

    Raises RecipeError where no layer would shrink or one that the recipe names cannot be factorized, IncompatibleError
    for a model that is not a plain graph, UsageError for dropout on a model without Dropout layers, TrainingDiverged.
    """
    demand_plain(model)
    if how.dropout is not None:
        model = with_dropout(model, how.dropout)
    chosen = _chosen(model, how)
    parts = {layer.name: _parts(layer, how.error) for layer in chosen}
    thin = {layer.name: layer for layer in chosen if _size(parts[layer.name]) < math.prod(layer.kernel.shape)}
    if not thin:
        raise RecipeError(
            f"factorize would grow the model: at error = {how.error:g} no layer has fewer weights as factors",
            "raise error or leave the stage out",
        )
    _tell(parts, thin, work)
    chains = {name: _chain(layer, parts[name]) for name, layer in thin.items()}
    smaller = with_chains(model, chains)
    for name, layer in thin.items():
        _fill(chains[name], parts[name], layer.get_weights()[1:])
    fit(smaller, how, work, lesson)
    return smaller


def _chosen(model: keras.Model, how: Factorize) -> list[Any]:
    """The layers to try: those that are named, or all dense and ungrouped convolution layers."""
    known = {layer.name: layer for layer in model.layers if _is_known(layer)}
    for name in how.layers:
        if name not in known:
            raise RecipeError(
                f"factorize: the model has no layer {name!r} to factorize", f"its layers: {', '.join(known)}"
            )
    return [layer for name, layer in known.items() if not how.layers or name in how.layers]


def _is_known(layer: keras.Layer) -> bool:
    return type(layer) is layers.Dense or (type(layer) is layers.Conv2D and layer.groups == 1)


def _parts(layer: Any, error: float) -> Parts:
    """The layer's kernel as factors, in the order they are applied."""
    kernel = np.asarray(layer.kernel, dtype=np.float64)
    if kernel.ndim == 2:
        return split_matrix(kernel, error)
    if kernel.shape[:2] == (1, 1):
        return {name: part[None, None] for name, part in split_matrix(kernel[0, 0], error).items()}
    return split_kernel(kernel, error)


def _size(parts: Parts) -> int:
    return sum(part.size for part in parts.values())


def _tell(parts: dict[str, Parts], thin: dict[str, Any], work: Work) -> None:
    before, after = (
        sum(math.prod(layer.kernel.shape) for layer in thin.values()),
        sum(_size(parts[name]) for name in thin),
    )
    whole = [name for name in parts if name not in thin]
    rest = f"; left whole: {', '.join(whole)}" if whole else ""
    work.on_event(Note(f"factorize: {before:,} weights of {', '.join(thin)} as {after:,}{rest}"))
    pruned = [name for name, layer in thin.items() if not alive([layer])[0].all()]
    if pruned:
        said = f"factorize: an earlier prune left zeros in {', '.join(pruned)}; their factors have none"
        work.on_event(Note(said, warning=True))


def _chain(layer: Any, parts: Parts) -> list[Any]:
    """The new layers, without their weights."""
    names = list(parts)
    spatial = "core" if "core" in parts else names[0]
    chain = []
    for name, part in parts.items():
        size = "filters" if isinstance(layer, layers.Conv2D) else "units"
        changes = {"name": f"{layer.name}_{name}", size: part.shape[-1]}
        changes |= {"kernel_initializer": "glorot_uniform", "kernel_constraint": None}  # both were made for the whole
        changes |= BARE if name != names[-1] else {}
        changes |= POINTWISE if name != spatial and size == "filters" else {}
        chain.append(type(layer).from_config(layer.get_config() | changes))
    return chain


def _fill(chain: list[Any], parts: Parts, bias: list[NDArray[Any]]) -> None:
    for layer, part in zip(chain, parts.values(), strict=True):
        layer.set_weights([part, *(bias if layer is chain[-1] else [])])
