"""Plain and folded graphs answer as the model does, and hold only what int8 knows."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from bramble.errors import IncompatibleError
from bramble.quantization.fold import fold
from bramble.quantization.plain import plain

from ..nets import scrambled, tricky
from .graphs import BODIES, around, pictures

KEPT = {"residual": 2, "inverted residual": 4, "mobile block of V3": 3, "depthwise, multiplier 2": 2}  # norms, else 1


@pytest.mark.parametrize("kind", BODIES)
def test_answers_stay(kind: str) -> None:
    """Folding changes no answer, and leaves neither norms, nor dropout, nor activations inside of layers."""
    model = around(BODIES[kind], last="softmax")
    for keep in (False, True):
        made = fold(plain(model), keep_norms=keep)
        assert np.allclose(np.asarray(made(pictures())), np.asarray(model(pictures())), atol=1e-5)
        norms = [layer for layer in made.layers if isinstance(layer, layers.BatchNormalization)]
        assert len(norms) == keep * KEPT.get(kind, 1)
    held = (layers.Dropout, layers.SpatialDropout2D, layers.Rescaling, layers.SeparableConv2D, layers.Average)
    assert not [layer.name for layer in made.layers if isinstance(layer, held)]
    inside = [getattr(layer, "activation", None) for layer in made.layers if not isinstance(layer, layers.Activation)]
    assert set(inside) <= {None, keras.activations.linear}
    assert model.get_layer("first").kernel is not made.get_layer("first").kernel


def test_every_way_of_joining() -> None:
    """The repository's hard little graph, with a depth multiplier under its norm."""
    model = tricky()
    assert np.allclose(np.asarray(fold(plain(model))(pictures())), np.asarray(model(pictures())), rtol=1e-4, atol=1e-3)


def test_norms_of_every_kind_of_layer() -> None:
    """Behind transposed, grouped and 1-D convolutions, without scale or shift; Normalization and Rescaling in front."""
    pixels = keras.Input((8, 8, 4))
    adapted = layers.Normalization(mean=[0.1, 0.2, 0.3, 0.4], variance=[1.0, 2.0, 3.0, 4.0])
    x = layers.Rescaling([1.0, 2.0, 3.0, 4.0], 0.5)(adapted(pixels))
    x = layers.BatchNormalization(scale=False)(layers.Conv2D(6, 3, groups=2, use_bias=False)(x))
    x = layers.BatchNormalization(center=False)(layers.Conv2DTranspose(5, 2)(x))
    x = layers.BatchNormalization()(layers.Conv1D(3, 2)(layers.Reshape((49, 5))(x)))
    x = layers.BatchNormalization()(layers.Flatten()(x))
    model = keras.Model(pixels, layers.Dense(2)(x))
    kept = [layer.get_weights() for layer in model.layers if isinstance(layer, layers.Normalization)]
    scrambled(model)
    for layer, weights in zip(
        [one for one in model.layers if isinstance(one, layers.Normalization)], kept, strict=True
    ):
        layer.set_weights(weights)
    made = fold(plain(model))
    given = pictures(8, 8, 8, 4)
    assert np.allclose(np.asarray(made(given)), np.asarray(model(given)), rtol=1e-4, atol=1e-3)
    assert {type(layer).__name__ for layer in made.layers if layer.weights} == {
        "DepthwiseConv2D", "Conv2D", "Conv2DTranspose", "Conv1D", "Dense",
    }  # fmt: skip


def test_layer_that_is_called_twice_keeps_its_weights() -> None:
    """A norm behind one of two calls of a layer stands alone."""
    pixels = keras.Input((4, 4, 2))
    conv = layers.Conv2D(2, 1)
    model = scrambled(keras.Model(pixels, layers.BatchNormalization()(conv(conv(pixels)))))
    made = fold(plain(model))
    given = pictures(4, 4, 4, 2)
    assert np.allclose(np.asarray(made(given)), np.asarray(model(given)), atol=1e-5)
    assert [layer for layer in made.layers if isinstance(layer, layers.DepthwiseConv2D)]


def test_norm_that_cannot_be_integer_is_named() -> None:
    """A norm over a sequence that no layer takes up is refused with its name and a way out."""
    rows = keras.Input((6, 4))
    model = keras.Model(rows, layers.BatchNormalization(name="odd")(layers.Activation("tanh")(rows)))
    with pytest.raises(IncompatibleError, match=r"odd \(BatchNormalization\) cannot be int8: .* rank 3") as caught:
        fold(plain(model))
    assert "float16" in caught.value.hint
