"""Small models, one for each way in which graphs are hard to quantize, with weights that hide nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from bramble.quantization.export import Exported, export
from bramble.quantization.fold import fold
from bramble.quantization.places import Places, places
from bramble.quantization.plain import plain
from bramble.quantization.ranges import calibrate
from bramble.quantization.simulate import simulate
from bramble_agent import runtime

from ..nets import scrambled

Body = Callable[[Any, Any], Any]


def pictures(count: int = 64, *shape: int) -> NDArray[np.float32]:
    """Noise in [0, 1)."""
    return np.random.default_rng(3).random((count, *(shape or (8, 8, 3))), dtype=np.float32)


def around(body: Body, name: str = "net", last: str | None = None) -> keras.Model:
    """8 x 8 x 3 → conv of 8, batch norm → ``body(x, pixels)`` → flatten → dense 6, ReLU → batch norm → dense 3."""
    pixels = keras.Input((8, 8, 3), name="pixels")
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", name="first")(pixels))
    x = layers.Flatten()(body(x, pixels))
    x = layers.BatchNormalization()(layers.Dense(6, activation="relu", name="hidden")(x))
    return halved(scrambled(keras.Model(pixels, layers.Dense(3, activation=last, name="out")(x), name=name)))


def halved(model: keras.Model) -> keras.Model:
    """Kernels at half of what they were: activations stay of order 1."""
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(weight * 0.5)
    return model


def residual(x: Any, pixels: Any) -> Any:
    """A block with batch norm on the branch, ReLU after the sum, max pooling."""
    y = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(layers.ReLU()(x)))
    return layers.MaxPooling2D(2)(layers.ReLU()(layers.Add()([x, y])))


def concat(x: Any, pixels: Any) -> Any:
    """A depthwise branch and an identity side by side, average pooling."""
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    return layers.AveragePooling2D(2)(layers.Concatenate(name="both")([layers.ReLU()(x), y * 4.0]))


def squeeze_excite(x: Any, pixels: Any) -> Any:
    """A gate by global average pooling, two dense layers and a sigmoid."""
    x = layers.ReLU()(x)
    gate = layers.Dense(4, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Multiply()([x, layers.Dense(8, activation="sigmoid", name="gate")(gate)])


def inverted_residual(x: Any, pixels: Any) -> Any:
    """MobileNetV2's block: widen by ReLU6, depthwise, narrow without activation, add; norms behind each."""
    y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(16, 1, use_bias=False)(x)))
    y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)))
    return layers.Add()([x, layers.BatchNormalization()(layers.Conv2D(8, 1, use_bias=False)(y))])


def mobile_v3(x: Any, pixels: Any) -> Any:
    """MobileNetV3's block: hard swish, depthwise, squeeze and excite by a hard sigmoid, add."""
    y = layers.Activation("hard_swish")(layers.BatchNormalization()(layers.Conv2D(16, 1)(x)))
    y = layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(y))
    gate = layers.Conv2D(4, 1, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(y))
    gate = layers.Activation("hard_sigmoid")(layers.Conv2D(16, 1)(gate))
    return layers.Add()([x, layers.Conv2D(8, 1)(layers.Multiply()([y, gate]))])


def concat_twice(x: Any, pixels: Any) -> Any:
    """DenseNet's way: what was side by side is put side by side again; one branch is pooled beside its source."""
    y = layers.Concatenate()([x, layers.Conv2D(4, 3, padding="same", activation="relu")(x)])
    z = layers.Concatenate()([y, layers.Conv2D(4, 3, padding="same", activation="relu")(y)])
    return layers.AveragePooling2D(2)(layers.Conv2D(6, 1, activation="relu")(z))


def one_layer_twice(x: Any, pixels: Any) -> Any:
    """A convolution with the same weights on two tensors."""
    both = layers.Conv2D(8, 3, padding="same", activation="relu")
    return layers.Add()([both(x), both(layers.ReLU()(x))])


BODIES: dict[str, Body] = {
    "residual": residual,
    "concat": concat,
    "squeeze-excite": squeeze_excite,
    "hard-swish": lambda x, pixels: layers.Activation("hard_swish")(x),
    "hard-sigmoid": lambda x, pixels: layers.Activation("hard_sigmoid")(x),
    "swish": lambda x, pixels: layers.Activation("swish")(x),
    "leaky": lambda x, pixels: layers.LeakyReLU()(x),
    "gelu": lambda x, pixels: layers.Activation("gelu")(x),
    "tanh": lambda x, pixels: layers.Activation("tanh")(x),
    "separable": lambda x, pixels: layers.SeparableConv2D(8, 3, activation="relu6")(x),
    "mean of two": lambda x, pixels: layers.Average()([x, layers.Conv2D(8, 1)(pixels)]),
    "difference": lambda x, pixels: layers.Subtract()([x, layers.Conv2D(8, 1)(pixels)]),
    "maximum": lambda x, pixels: layers.Maximum()([x, layers.Conv2D(8, 1)(pixels)]),
    "picture beside": lambda x, pixels: layers.Concatenate()([x, pixels]),
    "norm between": lambda x, pixels: layers.Conv2D(4, 3, padding="same")(
        layers.BatchNormalization()(layers.ReLU()(x))
    ),
    "rescaled": lambda x, pixels: layers.ReLU()(layers.Rescaling(0.5, -0.1)(layers.ReLU()(x))),
    "padded": lambda x, pixels: layers.Conv2D(8, 3, strides=2)(layers.ZeroPadding2D(1)(layers.ReLU()(x))),
    "upsampled": lambda x, pixels: layers.UpSampling2D(2)(layers.ReLU()(x)),
    "transposed": lambda x, pixels: layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(x),
    "dropped": lambda x, pixels: layers.Dropout(0.5)(layers.SpatialDropout2D(0.5)(layers.ReLU()(x))),
    "inverted residual": inverted_residual,
    "mobile block of V3": mobile_v3,
    "depthwise, multiplier 2": lambda x, pixels: layers.ReLU()(
        layers.BatchNormalization()(layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2, padding="same")(x))
    ),
    "dilated": lambda x, pixels: layers.Conv2D(4, 3, dilation_rate=2, activation="relu")(x),
    "grouped": lambda x, pixels: layers.Conv2D(8, 3, groups=2, activation="relu")(x),
    "average pool, padded": lambda x, pixels: layers.AveragePooling2D(3, 2, padding="same")(layers.ReLU()(x)),
    "average pool of a whole map": lambda x, pixels: layers.AveragePooling2D(8)(layers.ReLU()(x)),
    "average pool before a sum": lambda x, pixels: layers.Add()(
        [layers.AveragePooling2D(2)(x), layers.Conv2D(8, 2, strides=2)(pixels)]
    ),
    "concat of a concat": concat_twice,
    "concat with a gate": lambda x, pixels: layers.Concatenate()([x, layers.Activation("sigmoid")(x)]),
    "sum of three": lambda x, pixels: layers.ReLU(6.0)(layers.Add()([x, layers.Conv2D(8, 1)(pixels), x])),
    "one layer twice": one_layer_twice,
    "cropped": lambda x, pixels: layers.Conv2D(4, 3)(layers.Cropping2D(1)(layers.ReLU()(x))),
    "dense over pixels": lambda x, pixels: layers.Dense(5, activation="relu")(x),
    "rows": lambda x, pixels: layers.Conv1D(6, 3, activation="relu")(layers.Reshape((64, 8))(x)),
    "global maximum": lambda x, pixels: layers.GlobalMaxPooling2D(keepdims=True)(x),
}


def exported(model: keras.Model, *given: NDArray[np.float32], method: str = "minmax", coarse: bool = False) -> Exported:
    """The model, calibrated on ``given`` (one array an input, all in 0..1) and lowered."""
    graph = fold(plain(model))
    where = places(graph, {tensor.name: (0.0, 1.0) for tensor in model.inputs})
    ranges = calibrate(graph, where, lambda: iter([list(given)]), method)
    return export(simulate(graph, where, ranges), coarse=coarse)


def located(model: keras.Model) -> Places:
    """Its places, with inputs in 0..1."""
    return places(fold(plain(model)), {tensor.name: (0.0, 1.0) for tensor in model.inputs})


def answers(tflite: bytes, *given: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """What the interpreter makes of inputs in 0..1, in real values, one array an output."""
    engine = runtime.load(tflite)
    whole = [
        np.clip(np.round(array / spec.scale) + spec.zero_point, -128, 127).astype(np.int8)
        for array, spec in zip(given, engine.inputs, strict=True)
    ]
    rows = [engine.run(*(array[n : n + 1] for array in whole)) for n in range(len(given[0]))]
    found = []
    for number, spec in enumerate(engine.outputs):
        got = np.concatenate([row[number] for row in rows]).astype(np.float64)
        found.append((got - spec.zero_point) * spec.scale)
    return found
