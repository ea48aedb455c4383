"""A bundle of a foreign model: whole, verified, looked with; and written nowhere else."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bramble.bundle import load_bundle
from bramble.errors import BrambleError, IncompatibleError, StorageError, UsageError
from bramble.events import Event
from bramble.foreign.make import Given, Imported, import_model
from bramble.foreign.model import Wish
from bramble_agent.camera.predict import Predictor
from bramble_agent.pixels import open_picture
from bramble_agent.verify import verify
from bramble_agent.wire import Pixels
from detector import make_detector
from making import LABELS, PICTURES, int8_answers, make_bundle, make_model

THREE = ",".join(LABELS)


def ignore(_: Event) -> None:
    """Nobody listens."""


def imported(folder: Path, model: bytes, file: str = "Model 7.tflite", **given: Any) -> Imported:
    """Import a model that lies in a folder; the bundle beside it, if not said otherwise."""
    (folder / file).write_bytes(model)
    return import_model(folder / file, Given(**{"output": folder / "b.zip", "labels": THREE, **given}), ignore)


def test_a_classifier(tmp_path: Path) -> None:
    """The manifest tells what it is and where it comes from; verify and the camera's predictor agree."""
    made = imported(tmp_path, make_model())
    bundle = load_bundle(made.path)
    manifest = bundle.manifest
    assert (bundle.digest, bundle.labels, made.labels) == (made.digest, LABELS, LABELS)
    assert (manifest.name, manifest.task, manifest.output_kind) == ("model-7", "classification", "logits")
    assert manifest.golden.count == 16
    assert manifest.provenance["imported"] == "Model 7.tflite"
    assert manifest.provenance["sha256"] == hashlib.sha256(make_model()).hexdigest()
    assert manifest.provenance["audit"].startswith("int8, imported: no float model to compare with")
    assert (manifest.scores.accuracy, manifest.scores.macs, manifest.scores.parameters) == (None, 48, 48)
    answer = verify(bundle)
    assert (answer.ok, answer.checked, answer.max_lsb) == (True, 16, 0)
    predictor = Predictor(bundle)
    for picture, row in zip(PICTURES, int8_answers(), strict=True):
        assert predictor(picture, 1).sights[0].label == LABELS[int(row.argmax())]


def test_twice_is_the_same(tmp_path: Path) -> None:
    """And goes to the same place, byte for byte; a folder of the same has the same digest."""
    first = imported(tmp_path, make_model())
    held = first.path.read_bytes()
    assert imported(tmp_path, make_model()).path.read_bytes() == held
    for _ in range(2):
        assert imported(tmp_path, make_model(), output=tmp_path / "new" / "b").digest == first.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Model 7.tflite", "b.zip", "new"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["b"]


def test_a_detector(tmp_path: Path) -> None:
    """Its first line for none is left out; verify looks at what was found only; the predictor finds the dog."""
    made = imported(tmp_path, make_detector(), labels="???,cat,dog", wish=Wish((0.0, 1.0)))
    bundle = load_bundle(made.path)
    assert (bundle.manifest.task, bundle.labels) == ("detection", ("cat", "dog"))
    assert verify(bundle).ok
    picture = np.zeros((4, 4, 1), np.uint8)
    picture[1, 2] = 204
    (sight,) = Predictor(bundle)(picture, 3).sights
    assert (sight.label, sight.score) == ("dog", pytest.approx(0.8))


def test_scored_on_pictures(tmp_path: Path) -> None:
    """The share of pictures whose best label is their folder's; of the tests' four, one is in the wrong folder."""
    best = [LABELS[int(row.argmax())] for row in int8_answers()]
    wrong = next(label for label in LABELS if label != best[3])
    for number, label in enumerate([*best[:3], wrong]):
        (tmp_path / "p" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(PICTURES[number, ..., 0]).save(tmp_path / "p" / label / f"{number}.png")
    made = imported(tmp_path, make_model(), pictures=tmp_path / "p")
    assert (made.accuracy, made.tested) == (0.75, 4)
    assert load_bundle(made.path).manifest.scores.accuracy == 0.75
    with pytest.raises(UsageError, match="scores classifiers only"):
        imported(tmp_path, make_detector(), labels="cat,dog", wish=Wish((0.0, 1.0)), pictures=tmp_path / "p")


@pytest.mark.parametrize(
    ("model", "given", "error", "said"),
    [
        (make_model(), {"labels": "a,b"}, UsageError, "2 labels for a model of 3 classes"),
        (make_model(), {"labels": "a,b,a"}, UsageError, "named more than once"),
        (make_model(), {"labels": ""}, UsageError, "does not say what its 3 classes are called"),
        (make_model(), {"name": "No Name"}, UsageError, "cannot be named"),
        (make_model("float32"), {}, UsageError, "nothing in the file says"),
        (make_model(custom="Nobody"), {}, IncompatibleError, "custom operator Nobody"),
        (make_model(version=99), {}, IncompatibleError, "FULLY_CONNECTED version 99"),
        (b"\x18\x00\x00\x00TFL3" + b"\xff" * 64, {}, IncompatibleError, "damaged"),
        (b"GIF89a..", {}, IncompatibleError, "not a TFLite model"),
    ],
)
def test_refused(tmp_path: Path, model: bytes, given: dict[str, Any], error: type[BrambleError], said: str) -> None:
    """With the reason, and nothing is written."""
    with pytest.raises(error, match=said) as caught:
        imported(tmp_path, model, **given)
    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["Model 7.tflite"]


@pytest.mark.parametrize(
    ("name", "said"), [("m.zip", "is no .tflite"), ("m.keras", "is a Keras model"), ("m.h5", "Keras")]
)
def test_other_files(tmp_path: Path, name: str, said: str) -> None:
    """What to do with them is told."""
    with pytest.raises(UsageError, match=said) as caught:
        imported(tmp_path, b"", name)
    assert caught.value.hint
    with pytest.raises(UsageError, match=r"is no \.tflite"):
        import_model(make_bundle(tmp_path / "bundle"), Given(THREE), ignore)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        import_model(tmp_path / "none.tflite", Given(THREE), ignore)


def test_nothing_else_is_overwritten(tmp_path: Path) -> None:
    """A folder with other files, a file in place of a folder, a folder called .zip; a place that cannot be made."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    (tmp_path / "d.zip").mkdir()
    for name in ("mine", "mine/thesis.txt", "d.zip"):
        with pytest.raises(UsageError, match="is there and no bundle"):
            imported(tmp_path, make_model(), output=tmp_path / name)
    with pytest.raises(StorageError, match="cannot write"):
        imported(tmp_path, make_model(), output=tmp_path / "mine" / "thesis.txt" / "b.zip")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all of it"


@pytest.mark.slow
def test_real_models(tmp_path: Path, data: Path) -> None:
    """ImageNet's classifiers with their own labels name the photos' things; verify agrees."""
    models, photos = data / "models", data / "photos"
    wanted = {"coral_cat_720p.jpg": "cat", "coral_hot_dog.jpg": "hotdog", "tflite_burger.jpg": "cheeseburger"}
    for place, labels in (
        ("coral/mobilenet_v2_1.0_224_quant.tflite", models / "coral/imagenet_labels.txt"),
        ("tflite-support/mobilenet_v1_0.25_224_quant.tflite", ""),
    ):
        file = models / place
        made = import_model(file, Given(str(labels), output=tmp_path / f"{file.stem}.zip"), ignore)
        bundle = load_bundle(made.path)
        assert (len(bundle.labels), bundle.labels[0], verify(bundle).ok) == (1001, "background", True)
        predictor = Predictor(bundle)
        for name, label in wanted.items():
            seen = predictor(open_picture(photos / name, Pixels(224, 224)), 5)
            assert any(label in sight.label for sight in seen.sights), (name, seen.sights)
