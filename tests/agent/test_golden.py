"""golden.npz is read without trust: it must hold the arrays that the manifest promises, and nothing executable."""

from __future__ import annotations

import contextlib
import io
import pickle
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bramble_agent import runtime
from bramble_agent.bundle import open_bundle
from bramble_agent.errors import BundleDamaged
from bramble_agent.golden import answers, numbered, read_golden
from bramble_agent.wire import Golden
from detector import box, make_detector
from making import PICTURES, int8_answers, make_bundle, make_golden, make_model


def test_reads_the_arrays(tmp_path: Path) -> None:
    """The arrays come back as they were written."""
    golden = read_golden(open_bundle(make_bundle(tmp_path / "b")))
    assert {name: values.tolist() for name, values in golden.items()} == {
        name: values.tolist() for name, values in make_golden().items()
    }


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("pixels", None, "lacks pixels"),
        ("input_0", None, "lacks input_0"),
        ("output_0", None, "lacks output_0"),
        ("pixels", PICTURES[:3], r"pixels is uint8 \[3, 4, 4, 1\], not uint8 \[4, 4, 4, 1\]"),
        ("pixels", PICTURES[:0], r"pixels is uint8 \[0, "),
        ("input_0", np.zeros((4, 4, 4, 1), np.float32), r"input_0 is float32 \[4, 4, 4, 1\], not int8"),
        ("output_0", int8_answers()[:, :1], r"output_0 is int8 \[4, 1\], not int8 \[4, 3\]"),
        ("output_0", int8_answers()[:1], r"output_0 is int8 \[1, 3\], not int8 \[4, 3\]"),
        ("output_0", int8_answers().astype(np.int16), r"output_0 is int16"),
        ("output_0", np.array([{"an": "object"}]), r"output_0 is object \[1\], not int8"),
    ],
)
def test_arrays_that_do_not_fit(name: str, values: Any, message: str, tmp_path: Path) -> None:
    """An array that is missing, of another count, shape or dtype, or an object, is damage (and none broadcasts)."""
    golden = {**make_golden(), name: values}
    if values is None:
        del golden[name]
    with pytest.raises(BundleDamaged, match=message):
        read_golden(open_bundle(make_bundle(tmp_path / "b", arrays=golden)))


def test_no_golden_answers(tmp_path: Path) -> None:
    """A bundle without a single golden picture is refused: it could be checked against nothing."""
    empty = {name: values[:0] for name, values in make_golden().items()}
    bundle = open_bundle(make_bundle(tmp_path / "b", arrays=empty, golden=Golden(0, "none", "none")))
    with pytest.raises(BundleDamaged, match="no golden answers"):
        read_golden(bundle)


def packed(**arrays: Any) -> bytes:
    """An .npz of these arrays, compressed."""
    held = io.BytesIO()
    np.savez_compressed(held, **arrays)
    return held.getvalue()


def test_bomb_beside_the_arrays_is_not_unpacked(tmp_path: Path) -> None:
    """An array nobody asked for, 64 MB of zeros in 64 kB, is left packed: reading takes less than 1 MB."""
    bundle = open_bundle(make_bundle(tmp_path / "b"))
    bundle.files["golden.npz"] = packed(**make_golden(), bomb=np.zeros(64_000_000, np.uint8))
    read_golden(bundle)  # what is imported or cached at first is not of interest
    tracemalloc.start()
    golden = read_golden(bundle)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sorted(golden) == ["input_0", "output_0", "pixels"]
    assert peak < 1_000_000


def test_bomb_in_an_array_is_refused_by_its_header(tmp_path: Path) -> None:
    """An array of 64 MB in place of 64 bytes is refused before its values are unpacked."""
    bundle = open_bundle(make_bundle(tmp_path / "b"))
    bundle.files["golden.npz"] = packed(**{**make_golden(), "pixels": np.zeros(64_000_000, np.uint8)})
    tracemalloc.start()
    with pytest.raises(BundleDamaged, match=r"pixels is uint8 \[64000000\], not uint8"):
        read_golden(bundle)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(("limit", "ok"), [(524, True), (523, False)])
def test_limit_of_all_arrays(limit: int, ok: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three headers of 128 bytes with 64, 64 and 12 bytes of values make 524 bytes: so many may be, one fewer not."""
    monkeypatch.setattr("bramble_agent.golden.LIMIT_BYTES", limit)
    bundle = open_bundle(make_bundle(tmp_path / "b"))
    with contextlib.nullcontext() if ok else pytest.raises(BundleDamaged, match="524 bytes, more than the 523"):
        read_golden(bundle)


def test_values_that_are_cut_short(tmp_path: Path) -> None:
    """Shapes that promise a million pictures where only four are held make no room for a million."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, values in make_golden().items():
            npy = io.BytesIO()
            header = {"descr": values.dtype.str, "fortran_order": False, "shape": (1_000_000, *values.shape[1:])}
            np.lib.format.write_array_header_1_0(npy, header)
            archive.writestr(f"{name}.npy", npy.getvalue() + values.tobytes())
    bundle = open_bundle(make_bundle(tmp_path / "b", golden=Golden(1_000_000, "none", "none")))
    bundle.files["golden.npz"] = held.getvalue()
    with pytest.raises(BundleDamaged, match="pixels is cut short"):
        read_golden(bundle)


def one_array() -> bytes:
    """A lone .npy where an .npz belongs."""
    held = io.BytesIO()
    np.save(held, PICTURES)
    return held.getvalue()


@pytest.mark.parametrize("data", [b"", b"rubbish", b"PK\x03\x04rest", pickle.dumps({"a": 1}), one_array()])
def test_no_archive(data: bytes, tmp_path: Path) -> None:
    """Bytes that are no .npz are damage; a pickle is not even looked into."""
    bundle = open_bundle(make_bundle(tmp_path / "b"))
    bundle.files["golden.npz"] = data
    with pytest.raises(BundleDamaged, match=r"golden\.npz"):
        read_golden(bundle)


@pytest.mark.filterwarnings("ignore")  # NumPy warns of odd headers
def test_damaged_archive(tmp_path: Path) -> None:
    """An .npz with bytes changed or cut is damage or reads as arrays of the right shapes, never another error."""
    bundle = open_bundle(make_bundle(tmp_path / "b"))
    data = bundle.read("golden.npz")
    rng = np.random.default_rng(3)
    refused = 0
    for turn in range(300):
        changed = bytearray(data[: rng.integers(0, len(data))] if turn % 4 == 0 else data)
        for place in rng.integers(0, max(1, len(changed)), turn % 4):
            changed[place : place + 1] = rng.bytes(1)
        bundle.files["golden.npz"] = bytes(changed)
        try:
            assert read_golden(bundle)["pixels"].shape == PICTURES.shape
        except BundleDamaged:
            refused += 1
    assert refused > 100


def test_numbered_is_in_order() -> None:
    """Twelve inputs come in the order of their numbers, not of their names."""
    golden = {f"input_{i}": np.array([i]) for i in reversed(range(12))} | {"output_0": np.array([99])}
    assert [int(values[0]) for values in numbered(golden, "input")] == list(range(12))


def test_answers_of_the_engine() -> None:
    """The engine's answers come as one array an output, one row a picture."""
    (got,) = answers(runtime.load(make_model()), make_golden(), "classification")
    assert got.tolist() == int8_answers().tolist()


def test_what_a_detector_leaves_in_memory_is_no_answer() -> None:
    """Behind the boxes that were found there is what the picture before left: it is made 0."""
    engine = runtime.load(make_detector())
    one = np.zeros((1, 4, 4, 1), np.float32)
    three = one.copy()
    one[0, 1, 2] = 0.8
    three[0, 1, 2], three[0, 2, 1], three[0, 0, 1] = 0.8, 0.6, 0.4
    inputs = {"input_0": np.concatenate([three, one])}
    boxes, classes, scores, count = answers(engine, inputs, "detection")
    assert count.tolist() == [3.0, 1.0]
    assert scores.tolist() == [pytest.approx([0.8, 0.6, 0.4]), pytest.approx([0.8, 0.0, 0.0])]
    assert classes.tolist() == [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    assert boxes[1, 0].tolist() == pytest.approx(box(1))
    assert not boxes[1, 1:].any()
