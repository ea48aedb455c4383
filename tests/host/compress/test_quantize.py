"""Each scheme on a trained model: types, sizes, the integers themselves, and what the audit refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from bramble.compress.quantize import Quantized, quantize
from bramble.datasets.types import Dataset, Images
from bramble.errors import AuditError, DataError
from bramble.quantization import adaround
from bramble.quantization.prepare import calibration_pictures
from bramble.recipe_quantize import Quantize
from bramble.tflite import Tensor, read_graph
from bramble_agent import runtime

from ..conftest import quiet
from ..nets import copied

Lower = Callable[[str], Quantized]
SCHEMES = ("float32", "float16", "dynamic", "int8", "int16x8")


def how(**changes: Any) -> Quantize:
    """The stage with some keys changed."""
    return Quantize.model_validate({"do": "quantize", "calibration": 100} | changes)


class FloatOnly(keras.layers.Layer):  # type: ignore[misc]
    """A function of TensorFlow's whose operators TFLite has in float only, or not for every integer."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self._function = function

    def call(self, x: Any) -> Any:
        """Apply it."""
        return self._function(x)


def with_function(function: Callable[[Any], Any]) -> keras.Model:
    """A model with that function between two dense layers."""
    pixels = keras.Input((8, 8, 1))
    x = FloatOnly(function)(keras.layers.Dense(8)(keras.layers.Flatten()(pixels)))
    return keras.Model(pixels, keras.layers.Dense(10)(x), name="island")


@pytest.mark.parametrize(
    ("scheme", "kind"),
    [("float32", "float32"), ("float16", "float32"), ("dynamic", "float32"), ("int8", "int8"), ("int16x8", "int16")],
)
def test_inputs_and_outputs(lowered: Lower, scheme: str, kind: str) -> None:
    """Integer schemes take and give their integers with a scale; 16 bits are symmetric; the others are floats."""
    engine = runtime.load(lowered(scheme).tflite)
    (given,), (answer,) = engine.inputs, engine.outputs
    assert (given.shape, given.dtype) == ((1, 8, 8, 1), kind)
    assert (answer.shape, answer.dtype) == ((1, 10), kind)
    assert (given.scale > 0) == (answer.scale > 0) == (kind != "float32")
    if kind == "int8":  # pixels 0..1 in 256 steps: q = p − 128
        assert given.scale == pytest.approx(1 / 255)
        assert given.zero_point == -128
    if kind == "int16":
        assert given.scale == pytest.approx(1 / 32767)
        assert (given.zero_point, answer.zero_point) == (0, 0)


def test_sizes_are_ordered(lowered: Lower) -> None:
    """Integers are smaller than half floats, which are smaller than floats; kernels make up the difference.

    The model has 9,168 kernel weights: half floats save 2 bytes on each, int8 3.
    """
    size = {scheme: len(lowered(scheme).tflite) for scheme in SCHEMES}
    assert max(size["int8"], size["dynamic"], size["int16x8"]) < size["float16"] < size["float32"]
    assert size["int8"] < size["int16x8"]
    kernels = 9 * 16 + 9 * 16 * 32 + 128 * 32 + 32 * 10
    assert size["float32"] - size["float16"] > 1.8 * kernels
    assert size["float32"] - size["int8"] > 2.6 * kernels


@pytest.mark.parametrize("scheme", SCHEMES)
def test_audit_of_a_sound_model(lowered: Lower, scheme: str) -> None:
    """All five schemes keep the model's answers; only integer schemes promise, and hold, to be integer."""
    found = lowered(scheme).audit
    assert (found.scheme, found.failures, found.samples) == (scheme, (), 64)
    assert found.mean_lsb <= {"float32": 1e-3, "float16": 0.1}.get(scheme, 2.0)
    assert found.mean_lsb <= found.max_lsb
    assert found.agreement > 0.9
    if scheme in ("int8", "int16x8"):
        kinds = {tensor.dtype for tensor in read_graph(lowered(scheme).tflite).tensors}
        assert not kinds & {"FLOAT32", "FLOAT16"}


def test_float_yardstick_is_beside_every_scheme(lowered: Lower, trained: keras.Model) -> None:
    """Each result carries the float32 file of the same model; for float32 it is the result."""
    assert lowered("float32").tflite == lowered("float32").float_tflite
    kernels = read_graph(lowered("int8").float_tflite).weights()
    theirs = [weights for weights in trained.get_weights() if weights.ndim > 1]
    for kernel, weights in zip(kernels, theirs, strict=True):
        assert kernel.dtype == "FLOAT32"
        assert kernel.value is not None
        assert np.array_equal(np.moveaxis(kernel.value, 0, -1), weights)


def by_hand(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers and scales, one a last axis' channel: scale = max|w|/127, q = round(w/scale), in plain loops."""
    integers, scales = np.zeros(weights.shape, dtype=np.int64), np.zeros(weights.shape[-1])
    for channel in range(weights.shape[-1]):
        scales[channel] = max(abs(float(w)) for w in weights[..., channel].ravel()) / 127
        for place in np.ndindex(*weights.shape[:-1]):
            integers[(*place, channel)] = round(float(weights[(*place, channel)]) / scales[channel])
    return integers, scales


def last(kernel: Tensor) -> np.ndarray:
    """A kernel's integers with the output channels moved from first to last, as Keras has them."""
    assert kernel.value is not None
    return np.moveaxis(kernel.value.astype(np.int64), 0, -1)


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_integers_are_the_rounded_weights(lowered: Lower, trained: keras.Model, scheme: str) -> None:
    """Every kernel of the file is round(w/scale) with scale = max|w|/127 of its output channel."""
    theirs = [weights for weights in trained.get_weights() if weights.ndim > 1]
    kernels = read_graph(lowered(scheme).tflite).weights()
    assert [last(kernel).shape for kernel in kernels] == [weights.shape for weights in theirs]
    for kernel, weights in zip(kernels, theirs, strict=True):
        integers, scales = by_hand(weights)
        assert kernel.dtype == "INT8"
        assert np.allclose(kernel.scales, scales, rtol=1e-5)
        assert np.array_equal(last(kernel), integers)


def test_dynamic_has_integer_kernels_and_float_edges(lowered: Lower) -> None:
    """Dynamic range: the large kernels are int8, the activations stay float."""
    graph = read_graph(lowered("dynamic").tflite)
    assert {kernel.dtype for kernel in graph.weights() if kernel.value is not None and kernel.value.size >= 1024} == {
        "INT8"
    }
    assert {graph.tensors[n].dtype for n in graph.inputs + graph.outputs} == {"FLOAT32"}


def test_limit_in_lsb_is_enforced(trained: keras.Model, digits: Dataset) -> None:
    """Answers further off than the recipe allows are an error that gives both numbers."""
    with pytest.raises(AuditError, match=r"answers are off .* by \d+\.\d\d LSB in the mean, 1e-06 allowed"):
        quantize(trained, how(max_mean_lsb=1e-6), quiet(digits))


def test_ranges_come_from_the_training_pictures(trained: keras.Model, digits: Dataset) -> None:
    """Calibrated on training pictures that are almost black, the model fails on real held-out ones."""
    dark = Images(digits.train.pixels // 64, digits.train.labels)
    data = Dataset(digits.labels, dark, digits.held_out, digits.test)
    with pytest.raises(AuditError, match="LSB in the mean"):
        quantize(trained, how(), quiet(data))


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_pictures_that_are_all_the_same_are_refused(trained: keras.Model, digits: Dataset, scheme: str) -> None:
    """Black pictures set no range: said before anything is converted."""
    black = Images(np.zeros_like(digits.train.pixels), digits.train.labels)
    data = Dataset(digits.labels, black, digits.held_out, digits.test)
    with pytest.raises(DataError, match="all 100 calibration pictures are the same"):
        quantize(trained, how(scheme=scheme), quiet(data))


def test_operator_that_stays_float_is_caught(digits: Dataset) -> None:
    """The converter leaves a float island without a word; the audit does not."""
    import tensorflow as tf

    with pytest.raises(AuditError, match=r"float tensors remain, first .*through DEQUANTIZE, QUANTIZE") as caught:
        quantize(with_function(tf.sin), how(max_mean_lsb=1e9), quiet(digits))
    assert "these operators cannot be integer: SIN" in caught.value.message
    assert "per tensor" not in caught.value.message
    assert "float16" in caught.value.hint


def test_model_that_does_not_run_is_caught(
    trained: keras.Model, lowered: Lower, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter's refusal while it runs becomes an audit error in one line."""

    class Stopping:
        inputs = outputs = runtime.load(lowered("int8").tflite).inputs

        def run(self, *values: np.ndarray) -> tuple[np.ndarray, ...]:
            raise RuntimeError("division by zero\n  Node number 3 (DIV) failed to invoke.")

    monkeypatch.setattr(runtime, "load", lambda model: Stopping())
    with pytest.raises(AuditError, match=r"the int8 model does not run: .*DIV") as caught:
        quantize(trained, how(), quiet(digits))
    assert "\n" not in caught.value.message


REPAIRS: dict[str, Any] = {"equalize": True, "correct_bias": True, "rounding": "adaround"}


@pytest.mark.slow
@pytest.mark.parametrize("repairs", [*([name] for name in REPAIRS), list(REPAIRS)])
def test_repaired_models_are_as_sound(
    trained: keras.Model, digits: Dataset, monkeypatch: pytest.MonkeyPatch, repairs: list[str]
) -> None:
    """Other weights than without, in a file of the same size; the audit holds it to the float model and our integers.

    All kernels of the file are compared bit for bit with what the repairs left.
    """
    monkeypatch.setattr(adaround, "STEPS", 200)
    plain, mended = (
        quantize(trained, how(**{name: REPAIRS[name] for name in names}), quiet(digits)) for names in ([], repairs)
    )
    assert (mended.audit.failures, mended.audit.other_kernels, mended.audit.kernels) == ((), (), 4)
    assert mended.audit.mean_lsb < 2.0
    assert abs(len(mended.tflite) - len(plain.tflite)) < 64
    assert mended.tflite != plain.tflite


def test_repairs_beside_shared_values_and_a_kept_layer(
    trained: keras.Model, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dense layer of 9 values keeps as many integers, a convolution stays in float; the audit holds."""
    monkeypatch.setattr(adaround, "STEPS", 200)
    model = copied(trained)
    _, first, last, _ = [layer for layer in model.layers if layer.weights]
    kernel, bias = last.get_weights()
    step = np.abs(kernel).max() / 4
    last.set_weights([np.round(kernel / step) * step, bias])
    made = quantize(model, how(keep=[first.name], max_mean_lsb=8.0, **REPAIRS), quiet(digits))
    assert (made.audit.failures, made.audit.other_kernels) == ((), ())
    graph = read_graph(made.tflite)
    assert sorted(one.dtype for one in graph.weights()) == ["FLOAT32", "INT8", "INT8", "INT8"]
    (mine,) = [one for one in graph.weights() if one.shape == kernel.T.shape]
    assert mine.value is not None
    assert len(np.unique(mine.value)) == len(np.unique(np.round(kernel / step)))


@pytest.mark.slow
def test_corrected_biases_reach_the_file(trained: keras.Model, digits: Dataset) -> None:
    """On the calibration pictures, the file's mean logits are nearer to the float model's than without."""
    work = quiet(digits)
    pictures = calibration_pictures(how(), work)
    expected = np.asarray(trained(pictures)).mean(0)

    def off(tflite: bytes) -> float:
        engine = runtime.load(tflite)
        (given,), (answer,) = engine.inputs, engine.outputs
        whole = np.round(pictures / given.scale + given.zero_point).astype(np.int8)
        got = np.concatenate([engine.run(one[None])[0] for one in whole]).astype(np.float64)
        return float(np.abs((got.mean(0) - answer.zero_point) * answer.scale - expected).mean())

    plain, mended = (quantize(trained, how(correct_bias=value), work).tflite for value in (False, True))
    assert off(mended) < 0.5 * off(plain)
