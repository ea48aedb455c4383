"""What a foreign model is, and every reason why it is none that Bramble can use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bramble.errors import BrambleError, IncompatibleError, UsageError
from bramble.foreign.model import Foreign, Wish, examine
from bramble.packing.pack import pack as pack_model
from bramble_agent.errors import AgentError, OperatorMissing
from bramble_agent.pixels import table
from bramble_agent.wire import Pixels, TensorSpec
from detector import make_detector
from making import SIDE, make_model
from passing import passing


def seen(model: bytes, **wish: Any) -> tuple[str, Pixels, str, int]:
    """What is found, but for the graph."""
    found: Foreign = examine(model, Wish(**wish))
    return found.task, found.pixels, found.kind, found.classes


def test_classifiers(data: Path) -> None:
    """The real files: sizes, colours, ranges and kinds of answers as their authors state them."""
    models = data / "models"

    def of(name: str, **wish: Any) -> tuple[str, Pixels, str, int]:
        return seen((models / name).read_bytes(), **wish)

    task, pixels, kind, classes = of("mlperf-tiny/visual_wake_words/vww_96_int8.tflite")
    assert (task, kind, classes) == ("classification", "probabilities", 2)
    assert (pixels.height, pixels.width, pixels.color, pixels.low) == (96, 96, "rgb", 0.0)
    assert pixels.high == pytest.approx(1.0)
    task, pixels, kind, classes = of("coral/mobilenet_v1_0.5_160_quant.tflite", fit="crop")
    assert (pixels, kind, classes) == (Pixels(160, 160, "rgb", -1.0, 127 / 128, "crop"), "probabilities", 1001)
    task, pixels, kind, classes = of("mlperf-tiny/image_classification/pretrainedResnet_quant.tflite")
    assert (pixels, kind, classes) == (Pixels(32, 32, "rgb", 0.0, 255.0), "probabilities", 10)
    task, pixels, kind, classes = of("mlperf-tiny/visual_wake_words/vww_96_float.tflite", range=(0.0, 1.0))
    assert (pixels, kind, classes) == (Pixels(96, 96), "probabilities", 2)


def test_answers_that_end_in_no_softmax_are_logits() -> None:
    """A dense layer's; what a person says counts more."""
    assert seen(make_model()) == ("classification", Pixels(SIDE, SIDE, "gray", 0.0, pytest.approx(1.0)), "logits", 3)
    assert seen(make_model(), kind="probabilities")[2] == "probabilities"


@pytest.mark.parametrize(
    ("kind", "scale", "least"),
    [("uint8", (1 / 128, 128), 0), ("int8", (0.02, -3), -128), ("uint8", None, 0), ("int8", None, -128)],
)
def test_quantized_pixels_are_the_integers(kind: str, scale: tuple[float, int] | None, least: int) -> None:
    """Whatever the scale: pixel p is held as the p-th integer."""
    pixels = seen(passing(kind=kind, scale=scale))[1]
    step, zero = scale or (0.0, 0)
    held = table(pixels, TensorSpec("", (), kind, step, zero))
    assert held.tolist() == list(range(least, least + 256))


def test_a_float_model_needs_to_be_told() -> None:
    """Else the wrong guess would only show in its answers."""
    with pytest.raises(UsageError, match="nothing in the file says what a pixel becomes") as caught:
        examine(make_model("float32"), Wish())
    assert "--input-range" in caught.value.hint
    assert seen(make_model("float32"), range=(-1.0, 1.0))[1] == Pixels(SIDE, SIDE, "gray", -1.0, 1.0)
    assert seen(make_model(), range=(-1.0, 1.0))[1] == Pixels(SIDE, SIDE, "gray", -1.0, 1.0)


def test_detectors() -> None:
    """Known by the operator that ends them, which says how many classes there are; not from damaged options."""
    assert seen(make_detector(), range=(0.0, 1.0)) == ("detection", Pixels(4, 4, "gray"), "probabilities", 2)
    damaged = make_detector().replace(b"num_classes", b"xxx_classes")
    assert seen(damaged, range=(0.0, 1.0))[3] == 0


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        (b"", IncompatibleError, "not a TFLite model"),
        (b"PK\x03\x04 a zip", IncompatibleError, "not a TFLite model"),
        (make_model()[:200], BrambleError, "damaged|does not load"),
        (pack_model(make_model()), UsageError, "a model that Bramble packed"),
        (
            passing(inputs=((1, 8, 6, 3), (1, 4))),
            IncompatibleError,
            r"takes 2 inputs: in0 \[1, 8, 6, 3\], in1 ",
        ),
        (passing(inputs=((1, 144),)), IncompatibleError, r"the input in0 is \[1, 144\]: no picture"),
        (passing(inputs=((1, 8, 6, 2),), outputs=((1, 96),)), IncompatibleError, "no picture"),
        (passing(inputs=((2, 8, 6, 3),), outputs=((1, 288),)), IncompatibleError, "no picture"),
        (passing(inputs=((1, 1, 1, 3),), outputs=((1, 3),)), IncompatibleError, "no picture of a fixed size"),
        (passing(inputs=((1, 3, 8, 6),)), IncompatibleError, "channels first"),
        (passing(kind="int32", scale=None), IncompatibleError, "the input in0 is int32"),
        (passing(kind="int16", scale=(1 / 32768, 0)), UsageError, "nothing in the file says"),
        (passing(answer="int64"), IncompatibleError, "the output out0 is int64"),
        (passing(outputs=((1, 12, 12),)), IncompatibleError, "no row of scores"),
        (passing(outputs=((1, 144), (1, 144))), IncompatibleError, "no detector.*and no classifier"),
    ],
)
def test_refused(model: bytes, error: type[Exception], said: str) -> None:
    """Every one with its reason."""
    with pytest.raises((error, AgentError) if error is BrambleError else error, match=said):
        examine(model, Wish())


def test_class_numbers_are_no_scores() -> None:
    """The hint names the operator to leave out."""
    with pytest.raises(IncompatibleError) as caught:
        examine(passing(answer="int64"), Wish())
    assert "ARG_MAX" in caught.value.hint


def test_an_operator_that_no_board_has() -> None:
    """It is named."""
    with pytest.raises(OperatorMissing, match="custom operator Nobody"):
        examine(make_model(custom="Nobody"), Wish())


def test_float_ranges_reach_the_input() -> None:
    """Pixels 0 and 255 become what was said."""
    pixels = seen(make_model("float32"), range=(-1.0, 1.0))[1]
    held = table(pixels, TensorSpec("", (), "float32"))
    assert np.array_equal(held[[0, 255]], np.array([-1.0, 1.0], np.float32))
