"""Make a functional graph anew, call by call: what the passes of this package (plain, fold, simulate) stand on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import keras

from bramble.graph.channels import nodes
from bramble.graph.copying import copy_weights

Call = Callable[[str, Any, tuple[Any, ...], dict[str, Any]], Any]


def named_nodes(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """The calls of a model with a name each: the layer's, "layer:2" for its second call, "layer'" where one is taken.

    Raises IncompatibleError for a model whose graph cannot be seen.
    """
    calls, owners = Counter[int](), dict[str, int]()
    for node in nodes(model):
        operation = node.operation
        calls[id(operation)] += 1
        name = operation.name
        while owners.setdefault(name, id(operation)) != id(operation):
            name += "'"
        yield (name if calls[id(operation)] == 1 else f"{name}:{calls[id(operation)]}"), node


def consumers(model: keras.Model) -> Counter[int]:
    """How many times each tensor, by id, is read; being an output of the model counts."""
    read = Counter(id(tensor) for node in nodes(model) for tensor in node.input_tensors)
    read.update(id(tensor) for tensor in model.outputs)
    return read


def calls(model: keras.Model) -> Counter[int]:
    """How often each operation, by id, is called."""
    return Counter(id(node.operation) for node in nodes(model))


def _foreign(operation: Any) -> bool:
    """Whether it is a layer of the user's own, which may not know how to be made again: then it is used as it is."""
    return isinstance(operation, keras.Layer) and not type(operation).__module__.startswith(("keras.", "bramble."))


class Copies:
    """Copies of layers, each made once, whose weights follow when the graph stands."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Any, Any]] = {}
        self._given: list[tuple[Any, list[Any]]] = []

    def of(self, operation: Any) -> Any:
        """The copy of a layer or operation."""
        if _foreign(operation):
            return operation
        if id(operation) not in self._made:
            copy = operation.__class__.from_config(operation.get_config())
            if isinstance(operation, keras.Layer):
                copy.trainable = operation.trainable
            self._made[id(operation)] = (operation, copy)
        return self._made[id(operation)][1]

    def give(self, layer: Any, weights: list[Any]) -> Any:
        """``layer``, a new one that gets these weights."""
        self._given.append((layer, weights))
        return layer

    def settle(self) -> None:
        """Set all weights."""
        for old, new in self._made.values():
            if isinstance(old, keras.Layer) and old.weights:
                copy_weights(old, new)
        for layer, weights in self._given:
            layer.set_weights(weights)


def rebuilt(model: keras.Model, call: Call, batch: int | None = None) -> keras.Model:
    """A model of the same inputs and outputs where ``call(name, node, args, kwargs)`` gives what each call gives.

    ``batch`` fixes the batch. Numbers of inputs, their order and names stay.
    """
    shapes = [(batch or x.shape[0], *x.shape[1:]) for x in model.inputs]
    names = [x.name for x in model.inputs]
    fresh = [
        keras.Input(batch_shape=shape, dtype=x.dtype, name=name)
        for shape, x, name in zip(shapes, model.inputs, names, strict=True)
    ]
    known = {id(old): new for old, new in zip(model.inputs, fresh, strict=True)}
    for name, node in named_nodes(model):
        if node.is_input:
            tensor = node.output_tensors[0]
            known[id(tensor)] = call(name, node, (known[id(tensor)],), {})
            continue
        args, kwargs = node.arguments.fill_in(known)
        outputs = keras.tree.flatten(call(name, node, args, kwargs))
        known.update({id(old): new for old, new in zip(node.outputs, outputs, strict=True)})
    graph = getattr(model, "_functional", None) or model  # a Sequential that was never called has no output of its own
    inputs = keras.tree.pack_sequence_as(graph.input, fresh)
    outputs = keras.tree.pack_sequence_as(graph.output, [known[id(tensor)] for tensor in model.outputs])
    return keras.Model(inputs, outputs, name=model.name)
