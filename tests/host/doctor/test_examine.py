"""The examination: twins are found, layers are rounded as the file rounds them, and the sick layer is named."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from bramble.convert import convert
from bramble.datasets.types import Dataset
from bramble.doctor.align import BRIDGES, align
from bramble.doctor.examine import Examined, Layer, examine
from bramble.doctor.so_far import rounded_so_far
from bramble.errors import DataError, UsageError
from bramble.quantization.export import export
from bramble.quantization.fold import fold
from bramble.quantization.plain import plain
from bramble.quantization.prepare import laid_out, prepare
from bramble.recipe_quantize import Quantize
from bramble.tflite import WEIGHTED, read_graph
from bramble_agent import runtime

from ..conftest import GRAY8, quiet
from ..nets import copied, scrambled
from ..quantization.graphs import BODIES, around, halved
from .patients import RGB8, files, shown

SAME_PARTS = ("residual", "concat", "squeeze-excite", "separable", "maximum", "global maximum", "padded", "transposed")


def examined(integer: bytes, floating: bytes) -> Examined:
    """On 64 pictures of noise."""
    return examine(integer, floating, shown(), RGB8, {})


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAME_PARTS)
def test_every_operator_finds_its_twin(kind: str) -> None:
    """In graphs that both converters leave alone, all operators are paired, kernels with their own."""
    integer, floating = (read_graph(one) for one in files(around(BODIES[kind])))
    pairs = align(integer, floating)
    mine = [n for n, node in enumerate(integer.nodes) if node.name not in BRIDGES]
    assert [pair.node for pair in pairs] == [-1, *mine]
    for pair in pairs[1:]:
        assert integer.nodes[pair.node].name == floating.nodes[pair.twin].name
        mine_, theirs = integer.tensors[pair.tensor].shape, floating.tensors[pair.twin_tensor].shape
        assert [n for n in mine_ if n > 1] == [n for n in theirs if n > 1]


def test_walk_goes_on_behind_parts_without_a_twin() -> None:
    """A hard swish is one operator in the float file and three in ours: the layers behind it are found by kernels."""
    integer, floating = (read_graph(one) for one in files(around(BODIES["hard-swish"])))
    pairs = align(integer, floating)
    found = [pair.kind for pair in pairs if pair.kind in WEIGHTED]
    assert found == [node.name for node in integer.nodes if node.name in WEIGHTED]


@pytest.mark.slow
def test_other_architecture_and_other_weights() -> None:
    """A float model of other layers, other weights, other inputs or one layer more is refused, each in a sentence."""
    integer = read_graph(files(around(BODIES["residual"]))[0])

    def refusal(model: keras.Model) -> str:
        with pytest.raises(UsageError) as caught:
            align(integer, read_graph(convert(fold(plain(model)), "float32", lambda: iter(()))))
        assert "--float" in caught.value.hint
        return caught.value.message

    assert "another architecture: no CONV_2D of [8, 3, 3, 8] fits" in refusal(around(BODIES["concat"]))
    assert "other weights" in refusal(scrambled(around(BODIES["residual"]), seed=9))
    pixels = keras.Input((8, 8, 1))
    assert "the float model takes [(1, 8, 8, 1)]" in refusal(keras.Model(pixels, layers.Conv2D(3, 3)(pixels)))
    longer = around(BODIES["residual"])
    longer = keras.Model(longer.inputs, layers.Dense(3)(longer.outputs[0]))
    assert "its FULLY_CONNECTED of [3, 3] is extra" in refusal(longer)


@pytest.mark.parametrize("kind", ["residual", "concat", "squeeze-excite"])
def test_all_rounded_is_the_int8_file(kind: str) -> None:
    """With every layer rounded, the float file gives the int8 one's answers, but for a step now and then."""
    integer, floating = files(around(BODIES[kind]))
    graph = read_graph(integer)
    mixed = runtime.load(rounded_so_far(floating, integer, graph, align(graph, read_graph(floating))))
    engine = runtime.load(integer)
    output = engine.outputs[0]
    for picture in shown(8):
        got = mixed.run((picture[None] / np.float32(255.0)).astype(np.float32))[0]
        whole = engine.run((picture[None].astype(np.int16) - 128).astype(np.int8))[0]
        steps = np.abs(got / output.scale + output.zero_point - whole)
        assert steps.max() <= 2.01


def test_nothing_rounded_is_the_float_file() -> None:
    """Without a layer, answers are the float file's to the bit."""
    integer, floating = files(around(BODIES["concat"]))
    mixed, engine = runtime.load(rounded_so_far(floating, integer, read_graph(integer), ())), runtime.load(floating)
    given = (shown(1) / np.float32(255.0)).astype(np.float32)
    assert np.array_equal(mixed.run(given)[0], engine.run(given)[0])


def test_first_layer_alone_by_hand() -> None:
    """A dense layer rounded: w and x on their grids, multiplied by plain numpy."""
    pixels = keras.Input((8, 8, 3))
    flat = layers.Flatten()(pixels)
    model = halved(scrambled(keras.Model(pixels, layers.Dense(4, name="out")(layers.Dense(5)(flat)))))
    integer, floating = files(model)
    graph = read_graph(integer)
    pairs = [pair for pair in align(graph, read_graph(floating)) if pair.kind == "FULLY_CONNECTED"][:1]
    kernel, bias = model.layers[2].get_weights()
    steps = np.abs(kernel).max(0) / 127
    given = (shown(1) / np.float32(255.0)).astype(np.float32)
    x = given.reshape(1, -1) @ (np.round(kernel / steps) * steps) + bias
    tensor = graph.tensors[pairs[0].tensor]
    scale, zero = tensor.scales[0], tensor.zero_point
    x = (np.clip(np.round(x / scale) + zero, -128, 127) - zero) * scale
    expected = x @ model.get_layer("out").get_weights()[0] + model.get_layer("out").get_weights()[1]
    got = runtime.load(rounded_so_far(floating, integer, graph, pairs)).run(given)[0]
    assert np.abs(got - expected).max() < 1.01 * scale * np.abs(model.get_layer("out").kernel).max()


def digits_with(trained: keras.Model, digits: Dataset, **sick: float) -> Examined:
    """The digits' net with ranges so many times as wide, examined on 128 pictures."""
    pictures = digits.held_out.pixels[:128]
    return examine(*files(trained, pictures, sick), pictures, GRAY8, {})


def row_of(found: Examined, name: str) -> Layer:
    """The row of a layer; names come from the float file."""
    return next(row for row in found.layers if row.name == f"{name}_1")


@pytest.mark.slow
def test_clipped_layer_is_found(trained: keras.Model, digits: Dataset) -> None:
    """The hidden layer's range cut to a twentieth: its mass is clipped, and predictions turn behind it, not before."""
    name = trained.layers[-3].name
    well, sick = digits_with(trained, digits), digits_with(trained, digits, **{f"{name}_activation": 0.05})
    good, bad = row_of(well, name), row_of(sick, name)
    assert (well.first_flip, well.worst, well.agreement) == (None, None, 1.0)
    assert sick.worst == sick.first_flip == f"{name}_1"
    assert sick.agreement < 0.8
    assert (bad.clipped > 0.5, good.clipped < 0.01) == (True, True)
    assert (bad.db < 6, good.db > 25) == (True, True)
    assert (bad.without > 0.95, bad.agreement < 0.8) == (True, True)


def test_dead_layer_is_found(trained: keras.Model, digits: Dataset) -> None:
    """A range so wide that all values are one integer: no bit of information goes on."""
    name = trained.layers[-3].name
    sick = digits_with(trained, digits, **{f"{name}_activation": 1e4})
    row = row_of(sick, name)
    assert (row.dead, row.bits, row.levels) == (True, 0.0, 1)
    assert not any(one.dead for one in sick.layers[: sick.layers.index(row)])
    assert sick.worst == row.name


@pytest.mark.slow
def test_weights_are_those_of_the_file() -> None:
    """A kernel's decibels are those of rounding it by max/127 a channel, in numpy; its levels are counted."""
    model = around(BODIES["residual"])
    row = next(row for row in examined(*files(model)).layers if row.name == "out_1")
    kernel = model.get_layer("out").get_weights()[0]
    norm = model.layers[-2]
    scale = np.asarray(norm.gamma) / np.sqrt(np.asarray(norm.moving_variance) + norm.epsilon)
    folded = kernel * scale[:, None]
    steps = np.abs(folded).max(0) / 127
    rounded = np.round(folded / steps)
    noise = np.square(rounded * steps - folded).sum()
    assert row.weights is not None
    assert row.weights.db == pytest.approx(10 * np.log10(np.square(folded).sum() / noise), abs=0.05)
    assert (row.weights.count, row.weights.levels) == (folded.size, len(np.unique(rounded)))


@pytest.mark.slow
def test_what_cannot_be_examined() -> None:
    """A float file in the place of the int8 one; one picture; pictures that are all the same."""
    integer, floating = files(copied(around(BODIES["residual"])))
    with pytest.raises(UsageError, match="this one's kernels are FLOAT32"):
        examined(floating, floating)
    with pytest.raises(DataError, match="1 pictures are too few"):
        examine(integer, floating, shown(1), RGB8, {})
    with pytest.raises(DataError, match="all 4 pictures are the same"):
        examine(integer, floating, np.repeat(shown(1), 4, 0), RGB8, {})


def test_equalized_layers_are_held_against_equalized_ones(trained: keras.Model, digits: Dataset) -> None:
    """Where channels were scaled before rounding, the float file is scaled too: weights are off by rounding alone."""
    how = Quantize(do="quantize", equalize=True, calibration=100)
    ready = prepare(trained, how, quiet(digits))
    integer = export(ready.simulation, ready.tied, ready.kept).tflite
    floating = convert(laid_out(plain(trained), how, (), learned=False), "float32", lambda: iter(()))
    found = examine(integer, floating, digits.held_out.pixels[:16], GRAY8, {})
    assert all(row.weights.db > 35 for row in found.layers if row.weights)
