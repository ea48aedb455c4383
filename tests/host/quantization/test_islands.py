"""Layers kept in float: their weights to the bit, integers all around, and the simulation's answers."""

from __future__ import annotations

from collections.abc import Collection

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.compress.quantize import quantize
from bramble.datasets.types import Dataset
from bramble.errors import RecipeError
from bramble.quantization.export import Exported, export
from bramble.quantization.fold import fold
from bramble.quantization.places import places
from bramble.quantization.plain import plain
from bramble.quantization.ranges import calibrate
from bramble.quantization.simulate import simulate
from bramble.recipe_quantize import Quantize
from bramble.tflite import read_graph

from ..conftest import quiet
from ..nets import scrambled
from .graphs import answers, halved, pictures


def net() -> keras.Model:
    """Four layers in a row, with a norm, and a branch around the third."""
    pixels = keras.Input((6, 6, 3), name="pixels")
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", name="one")(pixels)))
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu", name="two")(x)
    x = layers.Add()([x, layers.Conv2D(8, 1, name="three")(x)])
    return halved(scrambled(keras.Model(pixels, layers.Dense(4, name="four")(layers.Flatten()(x)), name="row")))


def keeping(kept: Collection[str], given: NDArray[np.float32]) -> Exported:
    """The net with these layers in float."""
    graph = fold(plain(net()))
    where = places(graph, {"pixels": (0.0, 1.0)})
    ranges = calibrate(graph, where, lambda: iter([[given]]))
    return export(simulate(graph, where, ranges), None, kept)


@pytest.mark.parametrize(
    ("kept", "bridges"),
    [
        (("one",), (1, 1)),
        (("four",), (1, 1)),
        (("one", "two"), (1, 1)),
        (("two", "three"), (2, 2)),
        (("one", "four"), (2, 2)),
    ],
)
def test_layer_stays_in_float(kept: tuple[str, ...], bridges: tuple[int, int]) -> None:
    """Kept kernels are the folded ones to the bit, the others integers; between kept layers alone no bridge stands."""
    given = pictures(32, 6, 6, 3)
    made = keeping(kept, given)
    graph = read_graph(made.tflite)
    folded = fold(plain(net()))
    floats = [one for one in graph.weights() if one.dtype == "FLOAT32"]
    assert sorted(one.value.tobytes() for one in floats if one.value is not None) == sorted(
        np.moveaxis(np.asarray(folded.get_layer(name).kernel), -1, 0).tobytes()
        if name != "two"
        else np.asarray(folded.get_layer(name).kernel).tobytes()
        for name in kept
    )
    assert set(made.kernels) == {"one", "two", "three", "four"} - set(kept)
    assert all(one.dtype == "INT8" for one in graph.weights() if one not in floats)
    count = {op.name: op.count for op in graph.operators()}
    assert (count["DEQUANTIZE"], count["QUANTIZE"]) == bridges
    assert {graph.tensors[n].dtype for n in (*graph.inputs, *graph.outputs)} == {"INT8"}
    step = graph.tensors[graph.outputs[0]].scales[0]
    off = np.abs(answers(made.tflite, given)[0] - np.asarray(made.simulation(given))) / step
    assert (off.mean() < 0.25, off.max() <= 2.01) == (True, True)


def test_recipe_keeps_layers_and_the_audit_knows(trained: keras.Model, digits: Dataset) -> None:
    """The stage's audit allows the kept layers' floats alone; the answers come no further off."""
    names = [layer.name for layer in trained.layers if layer.weights]
    made = quantize(trained, Quantize(do="quantize", calibration=100, keep=(names[1],)), quiet(digits))
    assert made.audit.failures == ()
    assert made.audit.kernels == len(names) - 1
    assert made.audit.float_operators == ("CONV_2D",)


def test_unknown_layer_is_told(trained: keras.Model, digits: Dataset) -> None:
    """A name that is not there is refused with those that are."""
    with pytest.raises(RecipeError, match="there is no layer 'conv99' to keep") as caught:
        quantize(trained, Quantize(do="quantize", calibration=50, keep=("conv99",)), quiet(digits))
    assert trained.layers[1].name in caught.value.hint


def test_keep_is_for_int8() -> None:
    """Other schemes have no integers to stand between."""
    with pytest.raises(ValueError, match="keep is for layers among those of"):
        Quantize(do="quantize", scheme="dynamic", keep=("conv",))


class Rounded(keras.layers.Layer):  # type: ignore[misc]
    """A fake-quant of so many bits."""

    def __init__(self, low: float, high: float, bits: int) -> None:
        super().__init__()
        self._how = low, high, bits

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Round."""
        low, high, bits = self._how
        return keras.quantizers.fake_quant_with_min_max_vars(x, low, high, num_bits=bits)


def test_the_converter_cannot_keep_a_layer_in_int16() -> None:
    """Why keep means float: asked for one layer of 16 bits, the converter writes a convolution that nothing runs."""
    from bramble.convert import convert_simulation
    from bramble_agent import runtime
    from bramble_agent.errors import ModelRejected

    pixels = keras.Input((6, 6, 3))
    x = Rounded(0.0, 2.0, 8)(layers.Conv2D(8, 3, activation="relu")(Rounded(0.0, 1.0, 8)(pixels)))
    x = Rounded(-2.0, 2.0 * 32767 / 32768, 16)(layers.Conv2D(4, 3)(Rounded(-2.0, 2.0 * 32767 / 32768, 16)(x)))
    model = keras.Model(pixels, Rounded(-3.0, 3.0, 8)(layers.Conv2D(4, 1)(Rounded(-3.0, 3.0, 8)(x))))
    lowered = convert_simulation(model)
    assert "INT16" in {tensor.dtype for tensor in read_graph(lowered).tensors}
    with pytest.raises(ModelRejected, match="output->type != input_type"):
        runtime.load(lowered)
