"""The exporter on every hard little graph: integers throughout, our kernels to the bit, the simulation's answers."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers

from bramble.packing.record import recorded
from bramble.quantization.export import few_valued, tie
from bramble.tflite import Graph, read_graph

from ..nets import scrambled
from .graphs import BODIES, answers, around, exported, halved, pictures


def kernels_of(graph: Graph) -> set[tuple[tuple[int, ...], bytes]]:
    """Shapes and bytes of a file's kernels."""
    return {(one.shape, one.value.tobytes()) for one in graph.weights() if one.value is not None}


ROUNDED_TWICE = {"concat of a concat": 0.4, "concat with a gate": 0.4}  # mean LSB: brought to one range once more


@pytest.mark.parametrize("kind", BODIES)
def test_graph_becomes_integers_that_answer_as_the_simulation(kind: str) -> None:
    """No float tensor, one scale a channel, our integers, and answers within a step of the simulation's."""
    made = exported(around(BODIES[kind], name=kind.replace(" ", "_")), pictures())
    graph = read_graph(made.tflite)
    assert recorded(made.tflite) is not None  # or a packed model would hold its layout byte by byte
    assert not [tensor.name for tensor in graph.tensors if "FLOAT" in tensor.dtype]
    assert not {"DEQUANTIZE"} & {op.name for op in graph.operators()}
    held = kernels_of(graph)
    for name, kernel in made.kernels.items():
        assert (kernel.integers.shape, kernel.integers.tobytes()) in held, name
    for one in graph.weights():
        axis = 3 if one.shape[0] == 1 and len(one.scales) == one.shape[3] else 0
        assert len(one.scales) == one.shape[axis]
    step = graph.tensors[graph.outputs[0]].scales[0]
    off = np.abs(answers(made.tflite, pictures())[0] - np.asarray(made.simulation(pictures()))) / step
    assert off.mean() < ROUNDED_TWICE.get(kind, 0.25)
    assert off.max() <= 2.01


def test_simulation_is_near_the_float_model() -> None:
    """On random weights, 8 bits keep answers within a few percent of their spread."""
    model = around(BODIES["residual"])
    made = exported(model, pictures())
    real, rounded = np.asarray(model(pictures())), np.asarray(made.simulation(pictures()))
    assert np.abs(real - rounded).mean() < 0.03 * real.std() + 0.02 * np.ptp(real)


def test_several_inputs_and_outputs_keep_their_order_and_names() -> None:
    """Two inputs, two outputs, one of them a sigmoid: in the order of the Keras model, whatever the converter's is."""
    big, small = keras.Input((4, 4, 3), name="zebra"), keras.Input((5,), name="ant")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, activation="relu")(big))
    x = layers.Concatenate()([x, layers.Dense(6, activation="relu")(small)])
    model = halved(
        scrambled(keras.Model([big, small], [layers.Dense(4)(x), layers.Dense(2, activation="sigmoid")(x)], name="two"))
    )
    given = pictures(32, 4, 4, 3), pictures(32, 5)
    made = exported(model, *given)
    graph = read_graph(made.tflite)
    assert [graph.tensors[n].name for n in graph.inputs] == ["zebra", "ant"]
    assert [graph.tensors[n].shape for n in graph.inputs] == [(1, 4, 4, 3), (1, 5)]
    assert [graph.tensors[n].shape for n in graph.outputs] == [(1, 4), (1, 2)]
    assert not [tensor.name for tensor in graph.tensors if "FLOAT" in tensor.dtype]
    for got, expected, n in zip(answers(made.tflite, *given), made.simulation(list(given)), graph.outputs, strict=True):
        assert np.abs(got - np.asarray(expected)).max() <= 2.01 * graph.tensors[n].scales[0]


def test_pixels_are_shifted_by_128() -> None:
    """An input of 0 … 1 has scale 1/255 and zero point −128: the byte p becomes p − 128."""
    engine_input = read_graph(exported(around(BODIES["residual"]), pictures()).tflite)
    tensor = engine_input.tensors[engine_input.inputs[0]]
    assert tensor.scales[0] == pytest.approx(1 / 255)


def test_channel_of_zeros_with_a_bias() -> None:
    """A pruned channel keeps its bias: its answers are the constant."""
    rows = keras.Input((6,), name="rows")
    model = scrambled(keras.Model(rows, layers.Dense(4, name="out")(rows)))
    kernel, bias = model.get_layer("out").get_weights()
    kernel[:, 2] = 0.0
    model.get_layer("out").set_weights([kernel, bias])
    given = pictures(16, 6)
    made = exported(model, given)
    step = read_graph(made.tflite).tensors[read_graph(made.tflite).outputs[0]].scales[0]
    assert np.abs(answers(made.tflite, given)[0] - np.asarray(model(given))).max() < 2 * step


@pytest.mark.parametrize("bias", [-3.0, 0.0, 0.5])
def test_biases_that_are_all_alike(bias: float) -> None:
    """The converter takes them for one number, whatever the channels' scales are: answers must not notice."""
    pixels = keras.Input((8, 8, 3))
    x = layers.Conv2D(5, 3, activation="relu", name="first")(pixels)
    model = scrambled(keras.Model(pixels, layers.Dense(4, name="last")(layers.Flatten()(x))))
    for name in ("first", "last"):
        layer = model.get_layer(name)
        layer.kernel.assign(np.asarray(layer.kernel) * np.linspace(0.1, 1.0, layer.bias.shape[0]))
        layer.bias.assign(np.full(layer.bias.shape, bias, np.float32))
    made = exported(model, pictures())
    graph = read_graph(made.tflite)
    off = np.abs(answers(made.tflite, pictures())[0] - np.asarray(made.simulation(pictures())))
    assert off.max() <= 2.01 * graph.tensors[graph.outputs[0]].scales[0]


def test_withered_channels() -> None:
    """Channels of weights from 1 down to 1e-12, with biases, come out of the converter with our integers and scales."""
    pixels = keras.Input((8, 8, 3))
    x = layers.Dense(13, activation="relu", name="first")(layers.Flatten()(pixels))
    model = scrambled(keras.Model(pixels, layers.Dense(4)(x)))
    kernel = np.asarray(model.get_layer("first").kernel)
    model.get_layer("first").kernel.assign(kernel / np.abs(kernel).max(0) * 10.0 ** -np.arange(13))
    made = exported(model, pictures())
    (held,) = (one for one in read_graph(made.tflite).weights() if one.shape == (13, 192))
    ours = made.kernels["first"]
    assert np.array_equal(held.value, ours.integers)
    assert np.array_equal(np.float32(held.scales)[:4], ours.scales.ravel()[:4])
    assert np.abs(ours.integers).max(1).tolist() == [127] * 4 + [0] * 9


def test_file_holds_nothing_twice() -> None:
    """Short names, zero points once, no signature: a dense layer of 8 x 4 is little more than its numbers."""
    rows = keras.Input((8,), name="rows")
    made = exported(
        scrambled(keras.Model(rows, layers.Dense(4, name="a_long_name_for_a_layer")(rows))), pictures(16, 8)
    )
    assert b"a_long_name" not in made.tflite
    assert len(made.tflite) < 1_100
    assert read_graph(made.tflite).minimum_runtime


def test_weights_are_aligned() -> None:
    """Every buffer begins at a multiple of 16 bytes of the file, as the schema demands."""
    made = exported(around(BODIES["concat"]), pictures())
    for one in read_graph(made.tflite).weights():
        assert one.value is not None
        assert made.tflite.index(one.value.tobytes()) % 16 == 0


def test_few_values_are_noticed() -> None:
    """A kernel of two values is, one of noise and one too small to tell are not."""
    rows = keras.Input((16,))
    x = layers.Dense(16, name="binary")(rows)
    model = scrambled(keras.Model(rows, layers.Dense(1, name="small")(layers.Dense(16, name="noise")(x))))
    kernel, bias = model.get_layer("binary").get_weights()
    model.get_layer("binary").set_weights([np.sign(kernel) * 0.25, bias])
    found = few_valued(model)
    assert found == ["binary"]
    assert set(np.unique(tie(model, found)["binary"])) == {-127, 127}


def two_heads() -> keras.Model:
    """One input, three outputs: a feature map that others read too, logits, probabilities of another head."""
    pixels = keras.Input((8, 8, 3), name="pixels")
    x = layers.Conv2D(4, 3, strides=2, activation="relu", name="map")(pixels)
    flat = layers.Flatten()(x)
    heads = [layers.Dense(4, name="logits")(flat), layers.Dense(2, activation="softmax", name="kind")(flat)]
    return halved(scrambled(keras.Model(pixels, [x, *heads], name="heads")))


def three_inputs() -> keras.Model:
    """Three inputs in another order than that of their names, met by a sum, a concat and a product."""
    one, two, three = (keras.Input((6,), name=name) for name in ("c", "a", "b"))
    x = layers.Add()([layers.Dense(8, activation="relu")(one), layers.Dense(8)(two)])
    x = layers.Concatenate()([x, three])
    gate = layers.Dense(14, activation="sigmoid")(two)
    return halved(scrambled(keras.Model([one, two, three], layers.Dense(3)(layers.Multiply()([x, gate])), name="met")))


def named_ends() -> keras.Model:
    """Inputs and outputs in dictionaries, as some Keras models have them."""
    big, small = keras.Input((4, 4, 3), name="big"), keras.Input((5,), name="small")
    x = layers.Concatenate()([layers.Flatten()(layers.Conv2D(4, 3)(big)), layers.Dense(6, activation="relu")(small)])
    ends = {"where": layers.Dense(4, name="where")(x), "what": layers.Dense(2, name="what")(x)}
    return halved(scrambled(keras.Model({"big": big, "small": small}, ends, name="named")))


def twice_out() -> keras.Model:
    """An output that is given twice, and one that passes an input on beside it."""
    rows = keras.Input((6,), name="rows")
    x = layers.Dense(5, activation="relu")(rows)
    out = layers.Dense(3)(x)
    return halved(scrambled(keras.Model(rows, [out, layers.Concatenate()([out, x])], name="beside")))


@pytest.mark.parametrize("make", [two_heads, three_inputs, named_ends, twice_out])
def test_several_inputs_and_outputs(make: Callable[[], keras.Model]) -> None:
    """Whatever the ends are: integers throughout, in the Keras model's order, within two steps of the simulation."""
    model = make()
    given = [pictures(32, *tensor.shape[1:]) for tensor in model.inputs]
    made = exported(model, *given)
    graph = read_graph(made.tflite)
    assert [graph.tensors[n].name for n in graph.inputs] == [tensor.name for tensor in model.inputs]
    assert [graph.tensors[n].shape[1:] for n in graph.outputs] == [tensor.shape[1:] for tensor in model.outputs]
    assert not [tensor.name for tensor in graph.tensors if "FLOAT" in tensor.dtype]
    flat = keras.tree.flatten(keras.Model(made.simulation.inputs, made.simulation.outputs)(given))
    for got, expected, n in zip(answers(made.tflite, *given), flat, graph.outputs, strict=True):
        assert np.abs(got - np.asarray(expected)).max() <= 2.01 * graph.tensors[n].scales[0]


def test_whole_map_is_averaged_in_a_range_of_its_own() -> None:
    """Averages of a whole map fill their integers, where pooling would leave them their input's range."""
    made = exported(around(BODIES["average pool of a whole map"]), pictures())
    graph = read_graph(made.tflite)
    (mean,) = [node for node in graph.nodes if node.name == "MEAN"]
    scales = [graph.tensors[n].scales[0] for n in (mean.inputs[0], mean.outputs[0])]
    assert scales[1] < 0.8 * scales[0]
    assert "AVERAGE_POOL_2D" not in {op.name for op in graph.operators()}
