"""verify: what counts as the same answer, on the same kernels and on others, for integers and floats."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bramble_agent import runtime
from bramble_agent.bundle import open_bundle
from bramble_agent.verify import verify
from bramble_agent.wire import Golden, Pixels, VerifyAnswer
from making import PICTURES, float_answers, int8_answers, make_bundle, make_golden, make_model

OTHER = "kernels of another family"


@pytest.fixture(scope="module")
def kernels() -> str:
    """The kernels that answer here."""
    return runtime.load(make_model()).kernels


def verified(folder: Path, kernels: str, output: NDArray[Any], kind: str = "int8", **changes: Any) -> VerifyAnswer:
    """Verify a bundle whose golden answers, said to come from ``kernels``, are ``output``."""
    golden = Golden(len(PICTURES), "a test", kernels)
    arrays = {**make_golden(kind), "output_0": output}
    return verify(open_bundle(make_bundle(folder / "b", kind=kind, arrays=arrays, golden=golden, **changes)))


def moved(by: int, places: int = 1) -> NDArray[np.int8]:
    """The true integer answers with the first ``places`` of the second picture moved by so many LSB."""
    changed = int8_answers()
    changed[1, :places] += by
    return changed


def test_equal_answers(tmp_path: Path, kernels: str) -> None:
    """The exact answers verify on the same kernels with nothing differing in 4 pictures of 3 scores."""
    got = verified(tmp_path, kernels, int8_answers())
    assert (got.ok, got.checked, got.values, got.differing, got.max_lsb, got.max_abs) == (True, 4, 12, 0, 0, 0.0)
    assert (got.tolerance, got.kernels) == ("0 LSB", kernels)


@pytest.mark.parametrize(
    ("by", "same_kernels", "ok"),
    [
        (1, True, False),
        (-1, True, False),
        (1, False, True),
        (-1, False, True),
        (2, False, False),
        (-2, True, False),
    ],
)
def test_steps_apart(by: int, same_kernels: bool, ok: bool, tmp_path: Path, kernels: str) -> None:
    """One step apart is accepted from other kernels only; two steps never; the count and the size are reported."""
    got = verified(tmp_path, kernels if same_kernels else OTHER, moved(by, places=2))
    assert (got.ok, got.max_lsb, got.differing) == (ok, abs(by), 2)
    assert got.tolerance == ("0 LSB" if same_kernels else "1 LSB")


@pytest.mark.parametrize(("machine", "ok"), [("x86_64", True), ("aarch64", False), ("armv7l", True)])
def test_steps_apart_on_another_machine(
    machine: str, ok: bool, tmp_path: Path, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers of the same family are exact on the machine they were made for, and within one step on any other."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    family = kernels.partition("/")[0]
    got = verified(tmp_path, f"{family}/{machine}", moved(1))
    assert (got.ok, got.kernels) == (ok, f"{family}/aarch64")
    assert got.tolerance == ("1 LSB" if ok else "0 LSB")


def beside(folder: Path, *answers: NDArray[np.int8]) -> VerifyAnswer:
    """Verify a bundle that holds these answers: of another machine's best kernels, then of the other families."""
    arrays = {**make_golden(), **dict(zip(("output_0", "builtin_0", "reference_0"), answers, strict=False))}
    golden = Golden(len(PICTURES), "a test", OTHER, ("builtin", "reference")[: len(answers) - 1])
    return verify(open_bundle(make_bundle(folder / "b", arrays=arrays, golden=golden)))


@pytest.mark.parametrize("by", [1, -1])
def test_answers_of_other_kernels_count_too(by: int, tmp_path: Path) -> None:
    """Far from the best kernels' answers, within a step of another family's: accepted, and said whose they are."""
    got = beside(tmp_path, moved(40, places=2), moved(-30), moved(by))
    assert (got.ok, got.max_lsb, got.differing) == (True, 1, 1)
    assert got.tolerance == "70 LSB beside reference kernels"


def test_as_far_as_kernels_are_apart(tmp_path: Path) -> None:
    """Where the host's kernels are five steps apart in a value, so may a board be: in as many values, no further."""
    assert beside(tmp_path / "near", moved(5), moved(10)).ok
    assert not beside(tmp_path / "further", moved(6), moved(11)).ok
    everywhere = int8_answers() + np.int8(5)
    assert not beside(tmp_path / "more", everywhere, moved(5) + np.int8(5)).ok


def test_the_same_kernels_answer_exactly_whatever_others_say(tmp_path: Path, kernels: str) -> None:
    """On the kernels that made the golden answers another family's are no excuse."""
    arrays = {**make_golden(), "output_0": moved(1), "reference_0": int8_answers()}
    golden = Golden(len(PICTURES), "a test", kernels, ("reference",))
    got = verify(open_bundle(make_bundle(tmp_path / "b", arrays=arrays, golden=golden)))
    assert (got.ok, got.max_lsb, got.tolerance) == (False, 1, "0 LSB")


def test_opposite_ends_do_not_wrap(tmp_path: Path, kernels: str) -> None:
    """Answers at the two ends of int8 are 255 steps apart, not 1: the difference is not taken in int8."""
    far = int8_answers()
    far[0, 0] += 127  # the true score is −11, so 127 is stored as 116
    got = verified(tmp_path, kernels, far)
    assert (got.ok, got.max_lsb) == (False, 127)
    opposite = np.full_like(far, -128)
    assert verified(tmp_path, kernels, opposite).max_lsb == 137  # the greatest score is 12.4 − 3, stored as 9


@pytest.mark.parametrize(("share", "ok"), [(0.5, True), (2.0, False)])
def test_float_tolerance(share: float, ok: bool, tmp_path: Path, kernels: str) -> None:
    """Float answers may be off by 1e-4 of the largest magnitude (12.355 here): half of that passes, twice does not."""
    off = float_answers()
    off[2, 1] += share * 1e-4 * 12.35546875
    got = verified(tmp_path, kernels, off, "float32")
    assert (got.ok, got.max_lsb, got.tolerance) == (ok, None, "0.0012 absolute")
    assert got.max_abs == pytest.approx(share * 1.235546875e-3, rel=0.02)


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_other_preprocessing(kind: str, tmp_path: Path, kernels: str) -> None:
    """If the manifest's pixels do not lead to the stored input, nothing is well, whatever the outputs say."""
    output = int8_answers() if kind == "int8" else float_answers()
    got = verified(tmp_path, kernels, output, kind, pixels=Pixels(4, 4, "gray", low=-1.0, high=1.0))
    assert not got.ok
    assert got.max_abs < 1e-4
    assert got.tolerance == ("0 LSB" if kind == "int8" else "0.0012 absolute") + "; the input tables differ"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_number_is_never_right(value: float, tmp_path: Path, kernels: str) -> None:
    """Golden answers that are nan or infinite do not verify against real numbers."""
    off = float_answers()
    off[3, 2] = value
    with np.errstate(invalid="ignore"):
        assert not verified(tmp_path, kernels, off, "float32").ok


def test_nan_of_a_later_output_is_seen() -> None:
    """A model whose second output is nan while the first is right is not taken for equal."""
    from bramble_agent.verify import _gap

    fine, broken = np.zeros((2, 3)), np.array([[0.0, np.nan, 0.0]])
    worst, _, differing = _gap([fine, np.zeros((1, 3))], [fine, broken], 1e-4)
    assert np.isnan(worst)
    assert differing == 1


def test_threads_give_the_same(tmp_path: Path) -> None:
    """Two threads answer as one does."""
    bundle = open_bundle(make_bundle(tmp_path / "b"))
    assert verify(bundle, threads=2) == verify(bundle, threads=1)


def test_real_model(tmp_path: Path, data: Path) -> None:
    """A published int8 ResNet-8 verifies against its own answers, and fails once one of its weights is changed."""
    model = (data / "models/mlperf-tiny/image_classification/pretrainedResnet_quant.tflite").read_bytes()
    engine = runtime.load(model)
    rng = np.random.default_rng(1)
    pictures = rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    inputs = (pictures.astype(np.int16) - 128).astype(np.int8)
    outputs = np.concatenate([engine.run(value[None])[0] for value in inputs])
    arrays = {"pixels": pictures, "input_0": inputs, "output_0": outputs}
    facts: dict[str, Any] = {
        "inputs": engine.inputs,
        "outputs": engine.outputs,
        "pixels": Pixels(32, 32, "rgb", 0.0, 255.0 * engine.inputs[0].scale),
        "golden": Golden(3, engine.runtime, engine.kernels),
        "labels": "".join(f"{number}\n" for number in range(10)).encode(),
    }
    assert verify(open_bundle(make_bundle(tmp_path / "a", model=model, arrays=arrays, **facts))).ok
    weights = bytearray(model)
    middle = len(weights) // 2
    weights[middle : middle + 64] = bytes(64)
    assert not verify(open_bundle(make_bundle(tmp_path / "b", model=bytes(weights), arrays=arrays, **facts))).ok
