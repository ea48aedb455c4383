"""The converter's border: static batch, all schemes, several inputs, quiet, and one message where it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from bramble.convert import convert
from bramble.errors import IncompatibleError
from bramble.tflite import read_graph
from bramble_agent import runtime

from .conftest import noise

SCHEMES = ("float32", "float16", "dynamic", "int8", "int16x8")
DYNAMIC_BATCH = {"SHAPE", "STRIDED_SLICE", "PACK"}
EDGES = {"int8": "INT8", "int16x8": "INT16"}


class Erfinv(keras.layers.Layer):  # type: ignore[misc]
    """An operator that TensorFlow has and TFLite lacks."""

    def call(self, x: Any) -> Any:
        """The inverse error function."""
        return keras.ops.erfinv(x)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_batch_is_fixed(tiny_lowered: Callable[[str], bytes], scheme: str) -> None:
    """The batch is 1 throughout and leaves no operator that computes shapes."""
    read = read_graph(tiny_lowered(scheme))
    assert not DYNAMIC_BATCH & {op.name for op in read.operators()}
    assert {read.tensors[n].shape for n in read.inputs + read.outputs} == {(1, 6, 6, 2), (1, 3)}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_edges_have_the_schemes_type(tiny_lowered: Callable[[str], bytes], scheme: str) -> None:
    """Integer schemes take and give integers; the others floats."""
    read = read_graph(tiny_lowered(scheme))
    assert {read.tensors[n].dtype for n in read.inputs + read.outputs} == {EDGES.get(scheme, "FLOAT32")}


def test_float_file_gives_kerass_answers(tiny_lowered: Callable[[str], bytes], tiny: keras.Model) -> None:
    """In float32 the interpreter's answers are Keras', up to rounding."""
    engine = runtime.load(tiny_lowered("float32"))
    for (picture,) in noise(6, 6, 2)():
        assert np.allclose(engine.run(picture)[0], np.asarray(tiny(picture)), atol=1e-5)


def test_several_inputs() -> None:
    """A model of two inputs is lowered too: 2·a + 3·b."""
    a, b = keras.Input((4,), name="a"), keras.Input((1,), name="b")
    model = keras.Model([a, b], 2.0 * a + 3.0 * b, name="two")

    def samples() -> Iterator[list[NDArray[Any]]]:
        raise AssertionError("float32 needs no samples")

    engine = runtime.load(convert(model, "float32", samples))
    given: dict[tuple[int, ...], list[float]] = {(1, 4): [1.0, 2.0, 3.0, 4.0], (1, 1): [10.0]}
    values = [np.array([given[spec.shape]], np.float32) for spec in engine.inputs]
    assert engine.run(*values)[0].tolist() == [[32.0, 34.0, 36.0, 38.0]]


def test_missing_operator_is_named_in_one_message() -> None:
    """What TFLite lacks is named in one line; the converter's pages stay in the chained error."""
    x = keras.Input((4,))
    model = keras.Model(x, Erfinv()(x), name="odd")
    with pytest.raises(IncompatibleError) as caught:
        convert(model, "float32", noise(4))
    assert caught.value.message == "the converter cannot lower odd to float32: TFLite has no operator Erfinv"
    assert caught.value.__cause__ is not None


def test_failing_samples_are_told(tiny: keras.Model) -> None:
    """Samples of a wrong shape are an error of ours, in one line."""
    with pytest.raises(IncompatibleError, match="cannot lower tiny to int8") as caught:
        convert(tiny, "int8", noise(5, 5, 2))
    assert "\n" not in caught.value.message


def test_nothing_is_printed(tiny: keras.Model, capfd: pytest.CaptureFixture[str]) -> None:
    """TensorFlow's talk on stdout and stderr, C++ included, is kept off the terminal."""
    convert(tiny, "float32", noise(6, 6, 2))
    assert capfd.readouterr() == ("", "")
