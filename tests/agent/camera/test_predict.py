"""Predictions of real models through the real runtime, against exact arithmetic and by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from bramble_agent import runtime
from bramble_agent.bundle import open_bundle
from bramble_agent.camera.event import Box, Sight
from bramble_agent.camera.predict import Predictor, _softmax, _writer
from bramble_agent.errors import BadRequest, BundleDamaged, ModelRejected
from bramble_agent.pixels import table, to_input
from bramble_agent.wire import Pixels, TensorSpec
from detector import box, make_detector_bundle
from making import (
    FLOAT_INPUT,
    FLOAT_OUTPUT,
    INT8_INPUT,
    LABELS,
    PICTURES,
    int8_answers,
    make_bundle,
    make_model,
    reference,
)


def loaded(folder: Path, **how: object) -> Predictor:
    """A predictor of a bundle made there."""
    return Predictor(open_bundle(make_bundle(folder, **how)))  # type: ignore[arg-type]


def shares(values: list[float]) -> list[float]:
    """Softmax, slowly."""
    raised = [math.exp(value - max(values)) for value in values]
    return [value / sum(raised) for value in raised]


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_logits_become_probabilities(kind: str, tmp_path: Path) -> None:
    """Every picture: softmax of the exact answers, best first, named by labels.txt; integers are made real first."""
    predictor = loaded(tmp_path, kind=kind)
    for picture, whole in zip(PICTURES, int8_answers(), strict=True):
        real = [float(v) for v in reference(picture)] if kind == "float32" else [float(v) + 3 for v in whole]
        seen = predictor(picture, 2)
        assert np.allclose(seen.scores, shares(real), rtol=1e-5, atol=1e-9)
        order = sorted(range(3), key=lambda i: -real[i])[:2]
        assert [sight.label for sight in seen.sights] == [LABELS[i] for i in order]
        assert [sight.score for sight in seen.sights] == [seen.scores[i] for i in order]
        assert seen.boxes == {}
    assert predictor.release == open_bundle(tmp_path).digest


def test_probabilities_are_taken_as_they_are(tmp_path: Path) -> None:
    """No softmax twice; and clipped to 0..1, as quantized ones may be off by a step."""
    predictor = loaded(tmp_path, output_kind="probabilities", kind="float32")
    expected = [min(1.0, max(0.0, float(v))) for v in reference(PICTURES[0])]
    assert predictor(PICTURES[0], 3).scores == pytest.approx(expected, abs=1e-5)


def test_one_interpreter_and_one_buffer_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is loaded once, and every frame's input is the same memory."""
    loads: list[object] = []
    real = runtime.load
    monkeypatch.setattr(runtime, "load", lambda *given: loads.append(given) or real(*given))
    predictor = loaded(tmp_path)
    buffers = {predictor._write(PICTURES[i % 4]).__array_interface__["data"][0] for i in range(10)}
    for i in range(10):
        predictor(PICTURES[i % 4], 1)
    assert (len(loads), len(buffers)) == (1, 1)


SPECS = [
    (Pixels(4, 4, "gray"), INT8_INPUT),
    (Pixels(4, 4, "gray"), FLOAT_INPUT),
    (Pixels(4, 4, "gray", -1.0, 1.0), FLOAT_INPUT),
    (Pixels(4, 4, "gray", 0.0, 255.0), TensorSpec("x", (1, 4, 4, 1), "uint8")),
    (Pixels(4, 4, "gray", -1.0, 1.0), TensorSpec("x", (1, 4, 4, 1), "uint8", 0.0078125, 128)),
    (Pixels(4, 4, "gray", 0.0, 255.0), TensorSpec("x", (1, 4, 4, 1), "int8", 1.0, -128)),
    (Pixels(4, 4, "gray", 0.0, 1.0), TensorSpec("x", (1, 4, 4, 1), "int8", 0.02, -3)),
]


@pytest.mark.parametrize(("how", "spec"), SPECS)
def test_input_is_the_table_s(how: Pixels, spec: TensorSpec) -> None:
    """Whichever way it is written, every one of the 256 values becomes what ``pixels.table`` says."""
    lookup = table(how, spec)
    write = _writer(lookup, spec)
    for begin in range(0, 256, 16):
        picture = np.arange(begin, begin + 16, dtype=np.uint8).reshape(4, 4, 1)
        got = write(picture)
        assert (got.dtype, got.shape) == (lookup.dtype, spec.shape)
        assert np.array_equal(got[0], to_input(picture, lookup))


def test_softmax_of_extremes() -> None:
    """No overflow; one logit is the logistic function's."""
    assert _softmax(np.array([1e30, -1e30, 0.0])).tolist() == [1.0, 0.0, 0.0]
    assert _softmax(np.array([0.0])).tolist() == [0.5]
    assert _softmax(np.array([-1e30])).tolist() == [pytest.approx(0.0)]


def test_detector(tmp_path: Path) -> None:
    """Boxes, labels and scores of a real SSD operator, best first; the best score of each label decides."""
    predictor = Predictor(open_bundle(make_detector_bundle(tmp_path)))
    picture = np.zeros((4, 4, 1), np.uint8)
    picture[1, 2], picture[2, 1], picture[0, 1] = 204, 153, 51  # a dog 0.8, a cat 0.6, a cat 0.2
    seen = predictor(picture, 5)
    expected = [("dog", 0.8, box(1)), ("cat", 0.6, box(2)), ("cat", 0.2, box(0))]
    for sight, (label, score, where) in zip(seen.sights, expected, strict=True):
        assert (sight.label, sight.score) == (label, pytest.approx(score))
        assert sight.box is not None
        assert tuple(vars(sight.box).values()) == pytest.approx(where)
    assert seen.scores == pytest.approx([0.6, 0.8])
    assert {place: vars(found)["top"] for place, found in seen.boxes.items()} == pytest.approx({0: 0.65, 1: 0.15})
    nothing = predictor(np.zeros((4, 4, 1), np.uint8), 5)
    assert (nothing.sights, nothing.scores.tolist(), nothing.boxes) == ((), [0.0, 0.0], {})


def test_outputs_in_another_order(tmp_path: Path) -> None:
    """A detector whose outputs are listed scores, boxes, count, classes sees the same."""
    names = tuple(f"StatefulPartitionedCall:{i}" for i in (3, 2, 1, 0))
    predictor = Predictor(open_bundle(make_detector_bundle(tmp_path, names=names, order=(2, 0, 3, 1))))
    picture = np.zeros((4, 4, 1), np.uint8)
    picture[1, 2] = 204
    (sight,) = predictor(picture, 5).sights
    assert (sight.label, sight.score) == ("dog", pytest.approx(0.8))


def test_class_without_a_label(tmp_path: Path) -> None:
    """It is told by its number, and decides nothing."""
    predictor = Predictor(open_bundle(make_detector_bundle(tmp_path, labels=b"cat\n")))
    picture = np.zeros((4, 4, 1), np.uint8)
    picture[1, 2] = 204
    seen = predictor(picture, 5)
    assert [sight.label for sight in seen.sights] == ["#1"]
    assert (seen.scores.tolist(), seen.boxes) == ([0.0], {})


def test_top_limits_the_sights_only(tmp_path: Path) -> None:
    """One sight is told, both labels decide."""
    predictor = Predictor(open_bundle(make_detector_bundle(tmp_path)))
    picture = np.zeros((4, 4, 1), np.uint8)
    picture[1, 2], picture[2, 1] = 204, 153
    seen = predictor(picture, 1)
    assert [sight.label for sight in seen.sights] == ["dog"]
    assert seen.scores == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ({"task": "segmentation"}, BadRequest, "this bundle is for 'segmentation'"),
        ({"task": "detection"}, BadRequest, "the model is no detector"),
        ({"labels": b"one\ntwo\n"}, BundleDamaged, "labels.txt has 2 names for 3 classes"),
        (
            {"outputs": (TensorSpec("s", (1, 4), "int8"),), "labels": b"1\n2\n3\n4\n"},
            BadRequest,
            "labels.txt has 4 names",
        ),
        (
            {"pixels": Pixels(5, 4, "gray")},
            BadRequest,
            r"takes \[1, 4, 4, 1\], the manifest's pictures are \[1, 5, 4, 1\]",
        ),
        ({"pixels": Pixels(4, 4, "rgb")}, BadRequest, r"the manifest's pictures are \[1, 4, 4, 3\]"),
        ({"output_kind": "magic"}, BadRequest, "outputs of the kind 'magic'"),
        ({"model": make_model(custom="Nobody")}, None, "lacks custom operator Nobody"),
    ],
)
def test_what_does_not_go_together(
    how: dict[str, object], error: type[Exception] | None, said: str, tmp_path: Path
) -> None:
    """Is said at the start, with what is wrong."""
    with pytest.raises(error or Exception, match=said):
        loaded(tmp_path, **how)


def test_runtime_that_fails_on_a_frame(tmp_path: Path) -> None:
    """Is an error of its own, so that a swap can be taken back."""
    predictor = loaded(tmp_path)

    def fail() -> None:
        raise RuntimeError("Node number 0 failed to invoke")

    predictor._engine.invoke = fail
    with pytest.raises(ModelRejected, match="failed on a frame: Node number 0"):
        predictor(PICTURES[0], 1)


def test_answers_that_are_no_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not-a-number counts as 0, infinity as much: what is told stays JSON."""
    predictor = loaded(tmp_path, kind="float32", outputs=(FLOAT_OUTPUT,))
    odd = np.array([[np.nan, np.inf, -np.inf]], np.float32)
    odd.view(np.uint32)[0, 0] = 0x7FA00000  # a signalling NaN: the processor complains when it is cast
    monkeypatch.setattr(predictor._engine, "output", lambda number: odd)
    assert predictor(PICTURES[0], 3).scores.tolist() == [0.0, 1.0, 0.0]


def test_person_detector_of_mlperf_tiny(data: Path, tmp_path: Path) -> None:
    """A real int8 model with probabilities: two classes that add up to 1, twice the same for the same picture."""
    model = (data / "models/mlperf-tiny/visual_wake_words/vww_96_int8.tflite").read_bytes()
    spec = runtime.load(model)
    folder = make_bundle(
        tmp_path,
        model=model,
        labels=b"nobody\nperson\n",
        inputs=spec.inputs,
        outputs=spec.outputs,
        pixels=Pixels(96, 96, "rgb"),
        output_kind="probabilities",
    )
    predictor = Predictor(open_bundle(folder))
    picture = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    first, second = (predictor(picture, 2) for _ in range(2))
    assert first.scores.sum() == pytest.approx(1.0, abs=2 / 256)
    assert first.sights == second.sights
    assert isinstance(first.sights[0], Sight)
    assert not isinstance(first.sights[0].box, Box)
