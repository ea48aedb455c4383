"""The audit on graphs drawn by hand: each kind of broken promise is named, sound models pass."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bramble.audit import Audit, Promise, audit, audit_export, demand, structure
from bramble.errors import AuditError
from bramble.tflite import Graph, Node, Tensor
from bramble_agent.wire import TensorSpec

INT8 = TensorSpec("out", (1, 3), "int8", 0.5, -10)
FLOAT = TensorSpec("out", (1, 3), "float32")
EXPECTED = np.array([[1.0, 2.0, 3.0], [6.0, 5.0, 4.0]], dtype=np.float32)


def exact(spec: TensorSpec) -> NDArray[np.generic]:
    """The answers of a model that is right: q = real/scale + zero point."""
    if not spec.scale:
        return EXPECTED
    return np.round(EXPECTED / spec.scale + spec.zero_point).astype(spec.dtype)


def kernel(name: str, shape: tuple[int, ...], scales: int, axis: int = 0) -> Tensor:
    """An int8 kernel with so many scales."""
    return Tensor(name, shape, "INT8", (0.1,) * scales, axis, np.zeros(shape, np.int8))


def activation(name: str, dtype: str = "INT8") -> Tensor:
    """A tensor that the graph computes."""
    return Tensor(name, (1, 4, 4, 8), dtype, (0.1,), 0, None)


def graph(*parts: tuple[str, Tensor]) -> Graph:
    """A chain of operators (name, kernel), integer throughout."""
    tensors = [activation("in")]
    nodes = []
    for name, weights in parts:
        tensors += [weights, activation(f"after {weights.name}")]
        last = len(tensors) - 1
        nodes.append(Node(name, 1, (max(last - 2, 0), last - 1, -1), (last,)))
    return Graph(tuple(tensors), tuple(nodes), (0,), (len(tensors) - 1,), "")


SOUND = graph(
    ("CONV_2D", kernel("conv", (8, 3, 3, 4), 8)),
    ("DEPTHWISE_CONV_2D", kernel("depthwise", (1, 3, 3, 8), 8, axis=3)),
    ("FULLY_CONNECTED", kernel("dense", (3, 128), 3)),
)


def test_sound_model_passes() -> None:
    """One scale a channel everywhere, no float, exact answers: nothing to say."""
    found = audit(SOUND, "int8", 0.01, EXPECTED, exact(INT8), INT8)
    assert found.failures == ()
    assert (found.samples, found.mean_lsb, found.max_lsb, found.agreement) == (2, 0.0, 0.0, 1.0)
    assert [op.name for op in found.operators] == ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"]
    demand(found)


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_float_island_is_named_with_its_bridges(scheme: str) -> None:
    """A float tensor between DEQUANTIZE and QUANTIZE fails an integer scheme, by its name."""
    tensors = (activation("a"), activation("island", "FLOAT32"), activation("shore", "FLOAT32"), activation("b"))
    nodes = (
        Node("DEQUANTIZE", 1, (0,), (1,)),
        Node("SIN", 1, (1,), (2,)),
        Node("QUANTIZE", 1, (2,), (3,)),
    )
    found = audit(Graph(tensors, nodes, (0,), (3,), ""), scheme, 1.0, EXPECTED, exact(INT8), INT8)
    assert found.float_tensors == ("island", "shore")
    with pytest.raises(AuditError, match=f"the {scheme} model failed its audit") as caught:
        demand(found)
    assert "2 float tensors remain, first 'island' (through DEQUANTIZE, QUANTIZE)" in caught.value.message
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("operator", "weights", "coarse"),
    [
        ("CONV_2D", kernel("k", (8, 3, 3, 4), 1), True),
        ("CONV_2D", kernel("k", (8, 3, 3, 4), 4), True),
        ("CONV_2D", kernel("k", (1, 3, 3, 4), 1), False),
        ("DEPTHWISE_CONV_2D", kernel("k", (1, 3, 3, 8), 1), True),
        ("DEPTHWISE_CONV_2D", kernel("k", (1, 3, 3, 8), 8, axis=3), False),
        ("DEPTHWISE_CONV_2D", kernel("k", (1, 3, 3, 1), 1, axis=3), False),
        ("FULLY_CONNECTED", kernel("k", (3, 128), 1), True),
        ("FULLY_CONNECTED", kernel("k", (3, 128), 3), False),
        ("FULLY_CONNECTED", kernel("k", (3, 128), 0), True),
        ("TRANSPOSE_CONV", kernel("k", (2, 3, 3, 4), 1), True),
        ("MUL", kernel("k", (1, 1, 1, 8), 1), False),
    ],
)
def test_kernels_need_a_scale_for_each_channel(operator: str, weights: Tensor, coarse: bool) -> None:
    """One scale for many output channels fails, also of a depthwise kernel, whose channels lie last."""
    if operator == "TRANSPOSE_CONV":
        tensors = (activation("in"), weights, activation("out"))
        made = Graph(tensors, (Node(operator, 1, (0, 1, 0), (2,)),), (0,), (2,), "")
    else:
        made = graph((operator, weights))
    found = audit(made, "int8", 1.0, EXPECTED, exact(INT8), INT8)
    assert found.per_tensor_weights == (("k",) if coarse else ())
    assert found.failures == (("kernels quantized per tensor: k",) if coarse else ())


@pytest.mark.parametrize("scheme", ["float32", "float16", "dynamic"])
def test_float_schemes_may_hold_floats(scheme: str) -> None:
    """Floats and coarse kernels break no promise of a scheme that promises neither."""
    made = graph(("CONV_2D", Tensor("conv", (8, 3, 3, 4), "FLOAT32", (), 0, np.zeros((8, 3, 3, 4), np.float32))))
    assert audit(made, scheme, 0.01, EXPECTED, EXPECTED, FLOAT).failures == ()


def test_distance_in_steps_by_hand() -> None:
    """With a scale of 0.5, outputs off by 1, 0, 2, 0, 0 and 3 quantization steps are 1 LSB off in the mean."""
    got = (exact(INT8).astype(np.int64) + np.array([[1, 0, -2], [0, 0, 3]])).astype(np.int8)
    found = audit(SOUND, "int8", 0.99, EXPECTED, got, INT8)
    assert (found.mean_lsb, found.max_lsb) == (1.0, 3.0)
    assert found.failures == ("answers are off the float model's by 1.00 LSB in the mean, 0.99 allowed",)
    assert audit(SOUND, "int8", 1.0, EXPECTED, got, INT8).failures == ()


def test_sixteen_bits_are_measured_in_eight_bit_steps() -> None:
    """A 16-bit output counts 256 of its own steps as one, so that a limit means the same in both schemes."""
    spec = TensorSpec("out", (1, 3), "int16", 1 / 256, 0)
    got = (exact(spec).astype(np.int64) + 128).astype(np.int16)
    assert audit(SOUND, "int16x8", 1.0, EXPECTED, got, spec).mean_lsb == pytest.approx(0.5)


def test_float_outputs_are_measured_by_their_range() -> None:
    """A float output's step is 1/256 of the range of the expected answers, here 5."""
    found = audit(SOUND, "dynamic", 1.0, EXPECTED, EXPECTED + np.float32(5 / 128), FLOAT)
    assert found.mean_lsb == pytest.approx(2.0, rel=1e-4)
    assert len(found.failures) == 1


def test_constant_answers_have_a_step_too() -> None:
    """Where all expected answers are equal a step is 1: nothing is divided by zero."""
    flat = np.ones((2, 3), dtype=np.float32)
    assert audit(SOUND, "float32", 1.0, flat, flat * 3, FLOAT).mean_lsb == 2.0


def test_answers_that_are_no_numbers_fail() -> None:
    """NaN is not within any limit."""
    assert audit(SOUND, "float16", 1e9, EXPECTED, EXPECTED * np.float32("nan"), FLOAT).failures


def test_agreement_is_the_share_of_equal_top_classes() -> None:
    """Of two samples one keeps its top class."""
    got = exact(INT8).copy()
    got[1] = got[1][::-1]
    assert audit(SOUND, "int8", 99.0, EXPECTED, got, INT8).agreement == 0.5


def test_every_failure_is_told() -> None:
    """An audit with several failures tells all of them in one message."""
    found = Audit("int8", (), ("f",), ("k",), 1, 9.0, 9.0, 0.0, ("first", "second"))
    with pytest.raises(AuditError, match="failed its audit: first; second"):
        demand(found)


def held(
    **changes: tuple[NDArray[np.int8], NDArray[np.float32]],
) -> dict[str, tuple[NDArray[np.int8], NDArray[np.float32]]]:
    """What the exporter says of the sound graph's kernels, by layer: zeros at a scale of 0.1."""
    shapes = {"conv": (8, 3, 3, 4), "deep": (1, 3, 3, 8), "dense": (3, 128)}
    sizes = {"conv": 8, "deep": 8, "dense": 3}
    promised = {
        name: (np.zeros(shape, np.int8), np.full(sizes[name], 0.1, np.float32)) for name, shape in shapes.items()
    }
    return promised | changes


def test_export_holds_our_integers() -> None:
    """Every kernel that the exporter promised is in the file, bit for bit."""
    found = audit(SOUND, "int8", 0.01, EXPECTED, exact(INT8), INT8)
    checked = audit_export(found, SOUND, Promise(held(), EXPECTED), exact(INT8), INT8)
    assert (checked.kernels, checked.other_kernels, checked.failures) == (3, (), ())
    assert (checked.simulation_mean_lsb, checked.simulation_max_lsb) == (0.0, 0.0)
    demand(checked)


def test_other_integers_are_named() -> None:
    """One integer off by one is found, in its layer."""
    off = np.zeros((3, 128), np.int8)
    off[2, 7] = 1
    found = audit(SOUND, "int8", 0.01, EXPECTED, exact(INT8), INT8)
    promise = Promise(held(dense=(off, np.full(3, 0.1, np.float32))), EXPECTED)
    checked = audit_export(found, SOUND, promise, exact(INT8), INT8)
    assert checked.other_kernels == ("dense",)
    assert checked.failures == ("other integers than the exporter's in dense",)


def test_other_scales_are_named_where_they_matter() -> None:
    """A scale off by a thousandth is found; that of a channel of zeros means nothing."""
    ones = np.ones((3, 128), np.int8)
    ones[1] = 0
    tensors = [*SOUND.tensors]
    tensors[5] = Tensor("dense", (3, 128), "INT8", (0.1, 0.1, 0.1), 0, ones)
    model = Graph(tuple(tensors), SOUND.nodes, SOUND.inputs, SOUND.outputs, "")
    found = audit(model, "int8", 0.01, EXPECTED, exact(INT8), INT8)
    for scales, other in (((0.1, 7.0, 0.1), ()), ((0.1, 0.1, 0.1001), ("dense",))):
        promise = Promise({"dense": (ones, np.array(scales, np.float32))}, EXPECTED)
        assert audit_export(found, model, promise, exact(INT8), INT8).other_kernels == other


def test_answers_off_the_simulation_fail() -> None:
    """With a scale of 0.5, a simulation that is off by 1.5 everywhere is 3 LSB off; the limit is told."""
    found = audit(SOUND, "int8", 0.01, EXPECTED, exact(INT8), INT8)
    checked = audit_export(found, SOUND, Promise(held(), EXPECTED + np.float32(1.5)), exact(INT8), INT8)
    assert checked.simulation_mean_lsb == pytest.approx(3.0)
    assert checked.failures == ("answers are off the simulation's by 3.00 LSB in the mean, 2 allowed",)


def test_operators_that_stay_float_are_named() -> None:
    """The operator on the island is told, its bridges are not."""
    tensors = (activation("a"), activation("island", "FLOAT32"), activation("shore", "FLOAT32"), activation("b"))
    nodes = (Node("DEQUANTIZE", 1, (0,), (1,)), Node("ELU", 1, (1,), (2,)), Node("QUANTIZE", 1, (2,), (3,)))
    found = audit(Graph(tensors, nodes, (0,), (3,), ""), "int8", 1.0, EXPECTED, exact(INT8), INT8)
    assert found.float_operators == ("ELU",)
    assert "these operators cannot be integer: ELU" in found.failures


def test_structure_of_a_model_of_integers() -> None:
    """Without a float model beside it: kernels by their scales, and floats that remain."""
    assert structure(SOUND) == ("int8", ())
    coarse = graph(("CONV_2D", kernel("conv", (8, 3, 3, 4), 1)), ("FULLY_CONNECTED", kernel("dense", (3, 128), 3)))
    assert structure(coarse) == ("int8", ("1 of 2 kernels quantized per tensor",))
    island = Graph(
        (*SOUND.tensors, activation("left", "FLOAT32")),
        (*SOUND.nodes, Node("SIN", 1, (0,), (len(SOUND.tensors),))),
        (0,),
        SOUND.outputs,
        "",
    )
    scheme, said = structure(island)
    assert scheme == "int8"
    assert said == ("1 float tensors remain, first 'left'", "these operators cannot be integer: SIN")


def test_structure_of_other_models() -> None:
    """The scheme is read off kernels and what lies between them; floats are what they promise."""

    def of(kernels: str, between: str, *more: Tensor) -> tuple[str, tuple[str, ...]]:
        held = Tensor("dense", (3, 4), kernels, (0.1,) * 3, 0, np.zeros((3, 4), np.int8))
        tensors = (activation("in", between), held, activation("out", between), *more)
        return structure(Graph(tensors, (Node("FULLY_CONNECTED", 1, (0, 1, -1), (2,)),), (0,), (2,), ""))

    assert of("FLOAT32", "FLOAT32") == ("float32", ())
    assert of("FLOAT32", "FLOAT32", activation("half", "FLOAT16")) == ("float16", ())
    assert of("INT8", "FLOAT32") == ("dynamic", ())
    assert of("INT8", "INT16") == ("int16x8", ())
    assert of("UINT8", "UINT8")[0] == "int8"
