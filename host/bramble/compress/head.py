"""Global average pooling in the place of the dense layers behind the last feature map: most of a small CNN's weights.

    linear    mean over the map's positions, then one dense layer to the classes (GoogLeNet; Szegedy et al. 2014,
              1409.4842, who keep that layer because it is easily adapted to other sets of labels)
    otherwise relu(1 x 1 convolution to one map a class), then the mean (network in network; Lin et al. 2013, 1312.4400)

The two differ by the ReLU alone: without it, mean and 1 x 1 convolution could change places. The linear one needs fewer
multiplications (one position, not all of them) and its answers may be negative; hence it is the default. The answers
stay what they were, logits or probabilities. The new layers begin with random weights, so they must be trained.
"""

from __future__ import annotations

from typing import Any

import keras

from bramble.errors import RecipeError
from bramble.graph.rewire import demand_plain
from bramble.held.resting import resting
from bramble.recipe import Head
from bramble.training.dropout import with_dropout
from bramble.training.fit import fit
from bramble.training.lesson import Lesson
from bramble.training.softmax import ends_in_softmax
from bramble.work import Work

layers = keras.layers


def head(model: keras.Model, how: Head, work: Work, lesson: Lesson) -> keras.Model:
    """The model's body, weights kept, under a new head; trained as a whole or (freeze_body) in the head alone.

    Raises RecipeError for a model without a feature map or that pools it already, IncompatibleError for one that is no
    plain graph, UsageError for dropout on a model without Dropout layers, TrainingDiverged.
    """
    demand_plain(model)
    changed = _with_head(model, _feature_map(model), how)
    body = [layer.name for layer in changed.layers if layer in model.layers and layer.weights]
    if how.dropout is not None:
        changed = with_dropout(changed, how.dropout)
    with resting([changed.get_layer(name) for name in body] if how.freeze_body else []):
        fit(changed, how, work, lesson)
    return changed


def _feature_map(model: keras.Model) -> Any:
    """The last tensor with a height and a width. Raises RecipeError where there is none that could be pooled."""
    tensor, behind = model.outputs[0], list[str]()
    while len(tensor.shape) != 4:
        layer, node, _ = tensor._keras_history
        before = layer._inbound_nodes[node].input_tensors
        if isinstance(layer, layers.GlobalAveragePooling2D):
            raise RecipeError(f"head: {model.name} pools its feature map already, in {layer.name}", "leave it out")
        if len(before) != 1:
            raise RecipeError(
                f"head: {layer.name} joins several branches behind the last feature map of {model.name}",
                "head needs one chain of layers there",
            )
        behind.append(layer.name)
        tensor = before[0]
    if isinstance(tensor._keras_history[0], layers.InputLayer):
        raise RecipeError(
            f"head: {model.name} has no feature map, {behind[-1]} takes the picture itself",
            "head is for models with convolutions",
        )
    if tensor.shape[1:3] == (1, 1):
        raise RecipeError(
            f"head: the last feature map of {model.name} is 1 x 1, there is nothing to pool", "leave it out"
        )
    return tensor


def _with_head(model: keras.Model, features: Any, how: Head) -> keras.Model:
    """The same layers up to ``features``, then new ones."""
    classes, ending = model.output_shape[-1], "softmax" if ends_in_softmax(model) else None
    if how.linear:
        x = layers.GlobalAveragePooling2D(name="head_pool")(features)
        x = layers.Dropout(0.0, name="head_dropout")(x)
        x = layers.Dense(classes, activation=ending, name="head_linear")(x)
    else:
        x = layers.Conv2D(classes, 1, activation="relu", name="head_maps")(features)
        x = layers.GlobalAveragePooling2D(name="head_pool")(x)
        x = layers.Softmax(name="head_softmax")(x) if ending else x
    return keras.Model(model.inputs[0], x, name=model.name)
