"""A graph of plain parts, each one operator of TFLite's where it can be: what every pass of quantization begins with.

- an activation that is a layer's argument becomes a layer of its own (the converter fuses the two again);
- dropout, noise and other layers of training alone go;
- a separable convolution becomes its two halves;
- a sum (product, maximum, minimum) of more than two tensors becomes a row of sums of two;
- swish, hard swish, hard sigmoid and an average of tensors become sums, products and clips, since an operator that is
  several ones inside would leave floats between them;
- average pooling of a whole map becomes a mean: TFLite's pooling has to keep its input's range, of which means fill a
  part (ResNet-8's an eighth, which turned most of the predictions that int8 turned there), a mean has its own.

Answers outside of training stay the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from bramble.quantization.graph import Copies, rebuilt

layers, activations = keras.layers, keras.activations
TRAINING_ALONE = (
    layers.ActivityRegularization,
    layers.AlphaDropout,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
)
RANDOM = (
    layers.RandomContrast,
    layers.RandomFlip,
    layers.RandomRotation,
    layers.RandomTranslation,
    layers.RandomZoom,
)
AVERAGES = (layers.Average, layers.AveragePooling2D)
PAIRWISE = (layers.Add, layers.Multiply, layers.Maximum, layers.Minimum)
WEIGHTED = (layers.Conv1D, layers.Conv2D, layers.DepthwiseConv2D, layers.Conv2DTranspose, layers.Dense)


def plain(model: keras.Model) -> keras.Model:
    """A copy of ``model`` in plain parts; layers keep their names, an activation is called "layer_activation".

    Raises IncompatibleError for a model whose graph cannot be seen.
    """
    copies = Copies()

    def call(name: str, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        operation, name = node.operation, name.replace(":", ".")  # TensorFlow takes no colon in a name
        kwargs = {key: value for key, value in kwargs.items() if key not in ("training", "mask")}
        if node.is_input or isinstance(operation, (*TRAINING_ALONE, *RANDOM)):
            return args[0] if args else kwargs["inputs"]
        if isinstance(operation, layers.SeparableConv2D):
            return _separated(copies, operation, args[0])
        if isinstance(operation, (*AVERAGES, *PAIRWISE)):
            parts = _in_parts(operation, args[0], name)
            return copies.of(operation)(*args) if parts is None else parts
        if isinstance(operation, layers.Activation):
            return _activated(operation.activation, args[0], name)
        if isinstance(operation, WEIGHTED) and operation.activation is not activations.linear:
            bare = copies.of(operation)
            bare.activation = activations.linear
            return _activated(operation.activation, bare(*args, **kwargs), f"{name}_activation")
        return copies.of(operation)(*args, **kwargs)

    made = rebuilt(model, call)
    copies.settle()
    return made


def _separated(copies: Copies, layer: Any, x: Any) -> Any:
    """Depthwise, then 1 x 1."""
    weights = layer.get_weights()
    deep = layers.DepthwiseConv2D(
        layer.kernel_size,
        layer.strides,
        layer.padding,
        layer.depth_multiplier,
        dilation_rate=layer.dilation_rate,
        use_bias=False,
        name=f"{layer.name}_depthwise",
    )
    point = layers.Conv2D(layer.filters, 1, use_bias=layer.use_bias, name=f"{layer.name}_pointwise")
    x = copies.give(point, weights[1:])(copies.give(deep, weights[:1])(x))
    return _activated(layer.activation, x, f"{layer.name}_activation")


def _in_parts(operation: Any, x: Any, name: str) -> Any:
    """A layer of many tensors by twos, or the average of a whole map to one value a channel; None: left as it is."""
    if isinstance(operation, layers.Average):
        return _by_twos(layers.Add, list(x), f"{name}_sum") * (1.0 / len(x))
    if isinstance(operation, PAIRWISE):
        return _by_twos(type(operation), list(x), name) if len(x) > 2 else None
    whole = operation.padding == "valid" and tuple(operation.pool_size) == tuple(x.shape[1:3])
    if not whole or operation.data_format != "channels_last":
        return None
    return layers.GlobalAveragePooling2D(keepdims=True, name=name)(x)


def _by_twos(kind: Any, tensors: list[Any], name: str) -> Any:
    """((a, b), c), …; the last one is called ``name``."""
    made = tensors[0]
    for number, tensor in enumerate(tensors[1:], 2):
        made = kind(name=name if number == len(tensors) else f"{name}_{number}")([made, tensor])
    return made


def _activated(activation: Callable[[Any], Any], x: Any, name: str) -> Any:
    """``activation`` of ``x`` in plain parts."""
    if activation is activations.linear:
        return x
    if activation is activations.silu:
        return layers.Multiply(name=name)([x, layers.Activation("sigmoid")(x)])
    if activation is activations.hard_sigmoid:
        return _gate(x)
    if activation is activations.hard_silu:
        return layers.Multiply(name=name)([x, _gate(x)])
    return layers.Activation(activation, name=name)(x)


def _gate(x: Any) -> Any:
    """relu6(x + 3) / 6."""
    return layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)
