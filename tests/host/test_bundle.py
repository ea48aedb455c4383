"""Packing a bundle: true facts, golden answers by exact arithmetic, the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bramble.bundle import Contents, find_bundle, load_bundle, pack, packed_model_bytes, zip_bundle
from bramble.datasets import digits
from bramble.datasets.types import split
from bramble.errors import BundleError, IncompatibleError
from bramble_agent import runtime
from bramble_agent.errors import AgentError, OperatorMissing
from bramble_agent.wire import Budget, Pixels, Scores
from making import LABELS, PICTURES, SIDE, float_answers, int8_answers, make_bundle, make_model
from running import Run

FILES = ("manifest.json", "model.tflite", "labels.txt", "golden.npz")
CONTENTS = Contents(
    name="by-hand",
    labels=LABELS,
    pixels=Pixels(SIDE, SIDE, "gray"),
    output_kind="logits",
    pictures=PICTURES,
    budget=Budget(accuracy=0.9, size_bytes=2000),
    scores=Scores(accuracy=0.93, float_accuracy=0.94, tested=100, float_bytes=4000, parameters=51, macs=48),
    provenance={"recipe": "by-hand"},
)


def packed(folder: Path, kind: str = "int8", **changes: Any) -> tuple[str, dict[str, Any]]:
    """Pack the model of one layer; returns the digest and the manifest as plain JSON."""
    folder.mkdir(parents=True)
    digest = pack(folder, make_model(kind), replace(CONTENTS, **changes))
    return digest, json.loads((folder / "manifest.json").read_text())


def test_manifest_tells_the_models_own_facts(tmp_path: Path) -> None:
    """Types, scales, operators and sizes are those the model was made with, by hand."""
    _, manifest = packed(tmp_path / "bundle")
    scale = float(np.float32(1 / 255))
    expected = {"name": "picture", "shape": [1, 4, 4, 1], "dtype": "int8", "scale": scale, "zero_point": -128}
    assert manifest["inputs"] == [expected]
    expected = {"name": "scores", "shape": [1, 3], "dtype": "int8", "scale": 1.0, "zero_point": -3}
    assert manifest["outputs"] == [expected]
    assert manifest["operators"] == [{"name": "FULLY_CONNECTED", "version": 4, "count": 1}]
    assert (manifest["version"], manifest["task"], manifest["output_kind"]) == (2, "classification", "logits")
    assert manifest["golden"]["count"] == 4


def test_golden_answers_of_all_kernels(tmp_path: Path) -> None:
    """One layer of exact arithmetic is the same by all kernels, and the manifest names them."""
    _, manifest = packed(tmp_path / "bundle")
    assert manifest["golden"]["others"] == ["builtin", "reference"]
    with np.load(tmp_path / "bundle" / "golden.npz") as golden:
        for name in ("output_0", "builtin_0", "reference_0"):
            assert np.array_equal(golden[name], int8_answers())


def test_kernels_that_lack_an_operator_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A family that cannot load the model gives no answers; the bundle is made all the same."""
    load = runtime.load

    def lacking(model: bytes, threads: int = 1, family: str = "") -> runtime.Engine:
        if family == "reference":
            raise OperatorMissing("lacks it", "")
        return load(model, threads, family)

    monkeypatch.setattr("bramble.bundle.runtime.load", lacking)
    _, manifest = packed(tmp_path / "bundle")
    assert manifest["golden"]["others"] == ["builtin"]


def test_manifest_carries_what_it_was_given(tmp_path: Path) -> None:
    """Name, preprocessing, budget, scores and provenance go in unchanged."""
    _, manifest = packed(tmp_path / "bundle")
    assert manifest["name"] == "by-hand"
    assert manifest["pixels"] == {
        "height": 4, "width": 4, "color": "gray", "low": 0.0, "high": 1.0, "fit": "stretch"
    }  # fmt: skip
    assert {name: value for name, value in manifest["budget"].items() if value is not None} == {
        "accuracy": 0.9,
        "size_bytes": 2000,
    }
    assert manifest["scores"]["accuracy"] == 0.93
    assert manifest["provenance"] == {"recipe": "by-hand"}


def test_files_are_listed_with_their_digests(tmp_path: Path) -> None:
    """Every file but the manifest is listed with the sha256 and the size that hashlib and the disk tell."""
    digest, manifest = packed(tmp_path / "bundle")
    assert sorted(path.name for path in (tmp_path / "bundle").iterdir()) == sorted([*FILES, "model.packed"])
    for name in FILES[1:]:
        raw = (tmp_path / "bundle" / name).read_bytes()
        assert manifest["files"].pop(name) == {"sha256": hashlib.sha256(raw).hexdigest(), "size_bytes": len(raw)}
    assert manifest["files"] == {}
    assert digest == hashlib.sha256((tmp_path / "bundle" / "manifest.json").read_bytes()).hexdigest()


def test_labels_are_lines_of_utf8(tmp_path: Path) -> None:
    """The classes are one a line, whatever letters they have."""
    packed(tmp_path / "bundle")
    assert (tmp_path / "bundle" / "labels.txt").read_bytes() == b"left\nright\nm\xc3\xaame\n"


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_golden_answers_are_exact(tmp_path: Path, kind: str) -> None:
    """The golden inputs and answers of the model of one layer are those of arithmetic with fractions."""
    packed(tmp_path / "bundle", kind)
    golden = np.load(tmp_path / "bundle" / "golden.npz")
    assert sorted(golden.files) == ["builtin_0", "input_0", "output_0", "pixels", "reference_0"]
    assert np.array_equal(golden["pixels"], PICTURES)
    if kind == "int8":
        assert np.array_equal(golden["input_0"].astype(int), PICTURES.astype(int) - 128)
        assert np.array_equal(golden["output_0"], int8_answers())
    else:
        assert np.allclose(golden["input_0"], PICTURES / 255.0, rtol=1e-6, atol=0)
        assert np.allclose(golden["output_0"], float_answers(), rtol=1e-5, atol=1e-5)


def test_golden_inputs_follow_the_range(tmp_path: Path) -> None:
    """Where pixels 0 and 255 are to become −1 and 1, they do."""
    packed(tmp_path / "bundle", "float32", pixels=Pixels(SIDE, SIDE, "gray", -1.0, 1.0))
    golden = np.load(tmp_path / "bundle" / "golden.npz")
    assert np.allclose(golden["input_0"], PICTURES / 127.5 - 1.0, atol=1e-6)


def test_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    """Packed twice, every file, the digest and the .zip are equal, byte for byte."""
    digests = [packed(tmp_path / name)[0] for name in ("one", "two")]
    assert digests[0] == digests[1]
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    for name in ("one", "two"):
        zip_bundle(tmp_path / name, tmp_path / f"{name}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_another_label_is_another_bundle(tmp_path: Path) -> None:
    """A bundle's digest covers more than the model."""
    other = packed(tmp_path / "two", labels=("left", "right", "same"))[0]
    assert packed(tmp_path / "one")[0] != other


def test_zip_says_no_date_and_holds_the_folder(tmp_path: Path) -> None:
    """The .zip has the four files at its top, the model packed, dated as early as can be, and opens the same."""
    digest, _ = packed(tmp_path / "bundle")
    zip_bundle(tmp_path / "bundle", tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        held = [name.replace("model.tflite", "model.packed") for name in FILES]
        assert {member.filename: member.date_time for member in archive.infolist()} == dict.fromkeys(
            held, (1980, 1, 1, 0, 0, 0)
        )
        assert archive.testzip() is None
        sizes = {member.filename: member.compress_size for member in archive.infolist()}
    assert load_bundle(tmp_path / "bundle.zip").digest == digest
    assert packed_model_bytes(tmp_path / "bundle.zip") == sizes["model.packed"]
    assert sizes["model.packed"] < len((tmp_path / "bundle" / "model.tflite").read_bytes()) / 2
    assert load_bundle(tmp_path / "bundle.zip").read("model.tflite") == (tmp_path / "bundle/model.tflite").read_bytes()


def test_rubbish_is_not_packed(tmp_path: Path) -> None:
    """What is no model is refused, not packed."""
    with pytest.raises((IncompatibleError, AgentError)):
        pack(tmp_path, b"rubbish" * 100, CONTENTS)


def cut(bundle: Path) -> None:
    """Cut the last bytes of the model off."""
    path = bundle / "model.tflite"
    path.write_bytes(path.read_bytes()[:-4])


def alter(bundle: Path) -> None:
    """Change a letter of a label."""
    path = bundle / "labels.txt"
    path.write_bytes(path.read_bytes().replace(b"left", b"lift"))


def age(bundle: Path) -> None:
    """Make it a bundle of another version."""
    path = bundle / "manifest.json"
    path.write_text(path.read_text().replace('"version": 2,', '"version": 99,', 1))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (cut, r"model\.tflite has [\d,]+ bytes, not [\d,]+"),
    "altered": (alter, r"labels\.txt was altered"),
    "lost": (lambda bundle: (bundle / "golden.npz").unlink(), r"golden\.npz is missing"),
    "another version": (age, "bundle version 99"),
    "no manifest": (lambda bundle: (bundle / "manifest.json").write_text("{"), "is not a manifest"),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_a_bundle_error_with_advice(tmp_path: Path, damage: Callable[[Path], object], said: str) -> None:
    """Opening a damaged bundle on the host is a usage error that says what is wrong and what to do."""
    bundle = make_bundle(tmp_path / "bundle")
    damage(bundle)
    with pytest.raises(BundleError, match=said) as caught:
        load_bundle(bundle)
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_nothing_at_the_path_is_a_bundle_error(tmp_path: Path) -> None:
    """A path that leads nowhere says so."""
    with pytest.raises(BundleError, match="no bundle at"):
        load_bundle(tmp_path / "absent.zip")


def test_a_persons_path_leads_to_the_bundle(tmp_path: Path) -> None:
    """A run's folder means the bundle in it; a bundle's folder and a .zip mean themselves."""
    bundle = make_bundle(tmp_path / "run" / "bundle")
    assert find_bundle(tmp_path / "run") == bundle
    assert find_bundle(bundle) == bundle
    assert find_bundle(tmp_path / "some.zip") == tmp_path / "some.zip"


def test_golden_pictures_come_from_the_held_out_part(one_epoch: Run) -> None:
    """A run's golden pictures were neither trained on nor tested on, and each class is among them."""
    golden = np.load(one_epoch.built.folder / "bundle" / "golden.npz")["pixels"]
    data = split(digits.source(), 0.1)
    held = data.held_out.pixels, data.held_out.labels
    held_out = {picture.tobytes(): int(label) for picture, label in zip(*held, strict=True)}
    elsewhere = {picture.tobytes() for part in (data.train, data.test) for picture in part.pixels}
    found = [picture.tobytes() for picture in golden]
    assert len(found) == len(set(found)) == 16
    assert set(found) <= set(held_out)
    assert not set(found) & elsewhere
    assert set(Counter(held_out[picture] for picture in found)) == set(range(10))


def test_a_bare_model_is_to_be_imported_first(tmp_path: Path) -> None:
    """Whatever it is called, and also with metadata, which make it a .zip."""
    for name, more in (("m.tflite", b""), ("m.zip", b"PK")):
        (tmp_path / name).write_bytes(make_model() + more)
        with pytest.raises(BundleError, match="is a bare model") as caught:
            find_bundle(tmp_path / name)
        assert f"bramble import {tmp_path / name} --labels" in caught.value.hint
