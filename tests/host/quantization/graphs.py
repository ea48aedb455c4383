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
    "global maximum": lambda x, pixels: layers.GlobalMaxPooling2D(keepdims=True)(x),
}


def exported(model: keras.Model, *given: NDArray[np.float32], method: str = "minmax") -> Exported:
    """The model, calibrated on ``given`` (one array an input, all in 0..1) and lowered."""
    graph = fold(plain(model))
    where = places(graph, {tensor.name: (0.0, 1.0) for tensor in model.inputs})
    ranges = calibrate(graph, where, lambda: iter([list(given)]), method)
    return export(simulate(graph, where, ranges))


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
