"""Where a patient's things come from, and each that may be missing or not fit: one message that says what to give."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bramble.doctor.consultation import consult
from bramble.doctor.patient import Given, Patient, admit
from bramble.errors import BundleError, DataError, UsageError
from bramble_agent.wire import Pixels
from running import Run


@pytest.fixture
def folder(one_epoch: Run, tmp_path: Path) -> Path:
    """A copy of the run of one epoch, its artifacts beside it."""
    for one in (one_epoch.runs / ".artifacts", one_epoch.built.folder):
        shutil.copytree(one, tmp_path / "runs" / one.relative_to(one_epoch.runs))
    return tmp_path / "runs" / one_epoch.built.folder.relative_to(one_epoch.runs)


@pytest.fixture
def artifact(folder: Path) -> Path:
    """The folder with the lowered model and what it was made of."""
    (found,) = (folder.parent.parent / ".artifacts").glob("*/model.tflite")
    return found.parent


def photos(folder: Path, *names: str) -> Path:
    """Noise as pictures, by these names."""
    for number, name in enumerate(names):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (8, 8), np.uint8)).save(path)
    return folder


def admitted(thing: Path, given: Given = Given()) -> Patient:  # noqa: B008 - it is frozen
    """A patient, without any warning."""
    told: list[str] = []
    patient = admit(thing, given, told.append)
    assert told == []
    return patient


@pytest.mark.slow
@pytest.mark.parametrize("part", ["", "bundle", "bundle.zip"])
def test_a_run_has_all_that_is_needed(folder: Path, part: str) -> None:
    """By its folder, its bundle or its zip: recipe, Keras model with the layers' names, the held-out pictures."""
    patient = admitted(folder / part)
    assert patient.integer == (folder / "bundle" / "model.tflite").read_bytes()
    assert set(patient.names.values()) == {"conv2d", "conv2d_1", "dense", "dense_1"}
    assert (patient.labelled, len(patient.work.data.held_out)) == (True, 142)
    assert patient.how.calibrate == "percentile"


@pytest.mark.slow
def test_a_bundle_elsewhere_needs_the_runs(folder: Path, tmp_path: Path) -> None:
    """A copied bundle finds its float model under --runs; its recipe stayed behind, so pictures are to be given."""
    shutil.copy(folder / "bundle.zip", tmp_path / "copy.zip")
    with pytest.raises(UsageError, match="has no float model beside it"):
        admitted(tmp_path / "copy.zip")
    runs = Given(runs=folder.parent.parent)
    with pytest.raises(UsageError, match="no pictures"):
        admitted(tmp_path / "copy.zip", runs)
    pictures = photos(tmp_path / "some", "a", "b", "c", "d", "e", "f")
    assert len(admitted(tmp_path / "copy.zip", replace(runs, pictures=pictures)).work.data.held_out) == 3


def test_a_bare_tflite_beside_a_bare_tflite(artifact: Path, tmp_path: Path) -> None:
    """Without Keras there are figures and no repairs; pixels are the ends of the input's range."""
    pictures = photos(tmp_path / "some", *map(str, range(12)))
    given = Given(artifact / "float.tflite", pictures)
    patient = admitted(artifact / "model.tflite", given)
    assert (patient.model, patient.labelled) == (None, False)
    assert patient.pixels == replace(Pixels(8, 8, "gray"), high=pytest.approx(1.0))
    facts = consult(artifact / "model.tflite", given, lambda event: None)
    assert (facts["pictures"], facts["repairs"]) == (6, [])
    assert json.dumps(facts)
    named = admitted(artifact / "model.tflite", replace(given, float_model=artifact / "model.keras"))
    assert "dense_1" in named.names.values()


def test_pictures_in_folders_of_classes_are_labelled(folder: Path, tmp_path: Path) -> None:
    """Only where the folders are the model's own classes."""
    classes = photos(tmp_path / "classes", *(f"{label}/{n}" for label in range(10) for n in range(2)))
    patient = admitted(folder, Given(pictures=classes))
    assert patient.labelled
    assert sorted(patient.work.data.held_out.labels.tolist()) == list(range(10))
    assert not admitted(folder, Given(pictures=photos(tmp_path / "other", "x/1", "x/2", "y/3", "y/4"))).labelled


def test_damaged_pictures_are_told_and_skipped(folder: Path, tmp_path: Path) -> None:
    """By their names."""
    pictures = photos(tmp_path / "some", *"abcdef")
    (pictures / "bad.png").write_bytes(b"rubbish")
    told: list[str] = []
    admit(folder, Given(pictures=pictures), told.append)
    assert len(told) == 1
    assert "bad.png" in told[0]


@pytest.mark.slow
def test_pictures_that_are_missing(folder: Path, tmp_path: Path) -> None:
    """No folder, an empty one, too few."""
    (tmp_path / "empty").mkdir()
    photos(tmp_path / "few", "a", "b", "c")
    for name, said in (("absent", "there is no folder"), ("empty", "holds 0 pictures"), ("few", "holds 3 pictures")):
        with pytest.raises(DataError, match=said):
            admitted(folder, Given(pictures=tmp_path / name))


def test_pictures_that_only_the_recipe_knew(folder: Path) -> None:
    """Of a run on a folder that was named from the recipe's place, nobody knows where that is."""
    facts = json.loads((folder / "artifact.json").read_text())
    facts["facts"]["recipe"]["data"] |= {"name": "folder", "path": "my/pictures"}
    (folder / "artifact.json").write_text(json.dumps(facts))
    with pytest.raises(UsageError, match="does not say where its pictures") as caught:
        admitted(folder)
    assert "--pictures" in caught.value.hint


def test_float_model_that_is_none(folder: Path, artifact: Path, tmp_path: Path) -> None:
    """No such file, and the int8 file itself."""
    with pytest.raises(UsageError, match="there is no file"):
        admitted(folder, Given(tmp_path / "absent.keras"))
    with pytest.raises(UsageError, match="are INT8"):
        admitted(folder, Given(artifact / "model.tflite"))


def test_older_runs_have_a_float_file_alone(folder: Path, artifact: Path) -> None:
    """Runs of earlier Brambles kept no Keras model with quantize: they are examined, repairs need --float."""
    (artifact / "model.keras").unlink()
    assert admitted(folder).model is None
    shutil.rmtree(artifact)
    with pytest.raises(UsageError, match="has no float model beside it"):
        admitted(folder)


def test_damaged_run_and_damaged_thing(folder: Path, tmp_path: Path) -> None:
    """Facts that cannot be read, a file that is not there, a float model to be examined as int8."""
    with pytest.raises(UsageError, match="cannot be read"):
        admitted(tmp_path / "absent.tflite")
    with pytest.raises(UsageError, match="for int8 models of pictures"):
        admitted(next((folder.parent.parent / ".artifacts").glob("*/float.tflite")))
    (folder / "artifact.json").write_text("{")
    with pytest.raises(BundleError, match="damaged, or of another Bramble"):
        admitted(folder)
