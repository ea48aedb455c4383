"""A model used as a layer inside another (base(x), as in transfer learning) laid open as one plain graph.

What works on graphs (channels, masks, counts) sees only the outermost layers. Every layer is copied with its weights;
call arguments stay as they were, ``training`` of a nested call among them, which reaches all layers inside as it does
in Keras. Answers, in training and outside, are those of the nested model. (As in Keras, ``fit`` overrides a call's
training=False; a norm is frozen by trainable = False, which is kept too.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from bramble.errors import IncompatibleError
from bramble.graph.channels import nodes
from bramble.graph.copying import copy_weights


def flatten(model: keras.Model) -> keras.Model:
    """``model`` without models inside; the very same where it has none, or one that cannot be laid open.

    Those are subclassed models, models used more than once, and inputs that Keras would reshape or cast on the way.
    Layers keep their names; where two have one, that of the inner layer begins with its model's.
    """
    try:
        inner = [node for node in nodes(model) if isinstance(node.operation, keras.Model)]
    except IncompatibleError:
        return model
    if not inner or not _plain(model):
        return model
    copies = _Copies(model)
    inputs = [keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name) for x in model.inputs]
    outputs = copies.through(model, inputs, None)
    graph = getattr(model, "_functional", None) or model  # a Sequential that was never called has no input
    shaped = (keras.tree.pack_sequence_as(*pair) for pair in ((graph.input, inputs), (graph.output, outputs)))
    flat = keras.Model(*shaped, name=model.name)
    for old, new in copies.made.values():
        if isinstance(old, keras.Layer):
            copy_weights(old, new)
    return flat


class _Copies:
    """Copies of a model's operations at every depth, each made once."""

    def __init__(self, model: keras.Model) -> None:
        self._names = _names(model)
        self.made: dict[int, tuple[Any, Any]] = {}

    def through(self, model: keras.Model, inputs: Sequence[Any], training: bool | None) -> list[Any]:
        """What ``model`` makes of ``inputs``, called on copies."""
        known = {id(old): new for old, new in zip(model.inputs, inputs, strict=True)}
        for node in nodes(model):
            if node.is_input:
                continue
            args, kwargs = node.arguments.fill_in(known)
            if training is not None and getattr(node.operation, "_call_has_context_arg", {}).get("training"):
                kwargs["training"] = training
            if isinstance(node.operation, keras.Model):
                given = keras.tree.flatten(args[0] if args else kwargs["inputs"])
                outputs = self.through(node.operation, given, kwargs.get("training"))
            else:
                outputs = keras.tree.flatten(self._copy(node.operation)(*args, **kwargs))
            known.update({id(old): new for old, new in zip(node.outputs, outputs, strict=True)})
        return [known[id(tensor)] for tensor in model.outputs]

    def _copy(self, operation: Any) -> Any:
        if id(operation) not in self.made:
            config = operation.get_config()
            if isinstance(operation, keras.Layer):
                config["name"] = self._names[id(operation)]
            self.made[id(operation)] = (operation, operation.__class__.from_config(config))
        return self.made[id(operation)][1]


def _plain(model: keras.Model) -> bool:
    """Whether all models inside, at any depth, are plain graphs that are called once, on what they were built for."""
    inner = [node for node in nodes(model) if isinstance(node.operation, keras.Model)]
    if max(Counter(id(node.operation) for node in inner).values(), default=0) > 1:
        return False
    for node in inner:
        one = node.operation
        if not type(one).__module__.startswith("keras.") or not getattr(one, "inputs", None):
            return False
        shapes = [[(len(x.shape), x.dtype) for x in xs] for xs in (node.input_tensors, one.inputs)]
        if shapes[0] != shapes[1] or node.arguments.kwargs.get("mask") is not None or not _plain(one):
            return False
    return True


def _names(model: keras.Model) -> dict[int, str]:
    """A name of its own for every layer at any depth: its own, or with those of the models around it."""
    taken, names = set[str](), dict[int, str]()
    for path, layer in sorted(_layers(model, ()), key=lambda pair: len(pair[0])):
        name = layer.name
        for outer in reversed(path):
            if name not in taken:
                break
            name = f"{outer}_{name}"
        plain, number = name, 1
        while name in taken:
            number += 1
            name = f"{plain}_{number}"
        taken.add(name)
        names[id(layer)] = name
    return names


def _layers(model: keras.Model, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], keras.Layer]]:
    """All layers that are no models, each once, with the names of the models that they lie in."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer, (*path, layer.name))
        elif path == () or not isinstance(layer, keras.layers.InputLayer):
            yield path, layer
