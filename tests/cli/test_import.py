"""``bramble import`` as a person meets it: a bundle that can be pushed, its facts, refusals in one piece."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bramble.bundle import load_bundle
from bramble_agent.wire import Pixels
from detector import make_detector
from making import LABELS, make_bundle, make_model
from running import bramble

from .conftest import Failed, run


@pytest.fixture
def model(work: Path) -> Path:
    """The tests' int8 model as m.tflite, its labels as l.txt."""
    (work / "m.tflite").write_bytes(make_model())
    (work / "f.tflite").write_bytes(make_model("float32"))
    (work / "l.txt").write_text("\n".join(LABELS), encoding="utf-8")
    return work


@pytest.mark.slow
def test_import_push_look(model: Path) -> None:
    """The next step is told, and works; so does the camera."""
    said = run("import", "m.tflite", "--labels", "l.txt", "--name", "three", cwd=model)
    assert "classification of left, right, même" in said
    assert "4 × 4 gray, stretch; black is 0, white 1" in said
    assert said.splitlines()[-1].split() == ["next", "bramble", "push", "three.zip", "BOARD"]
    assert "is current" in run("push", "three.zip", "local", cwd=model)
    assert "agrees" in run("verify", "three.zip", "local", cwd=model)
    lines = run("camera", "run", "local", "--source", "synthetic:", "--frames", "2", "--json", cwd=model).splitlines()
    assert [json.loads(line)["label"] in LABELS for line in lines] == [True, True]


@pytest.mark.slow
def test_a_detector_too(work: Path) -> None:
    """Imported, pushed, verified, benched and looking, by the small agent and the whole one."""
    (work / "d.tflite").write_bytes(make_detector())
    said = run("import", "d.tflite", "--labels", "???,cat,dog", "--input-range", "0,1", cwd=work)
    assert "detection of cat, dog" in said
    run("push", "d.zip", "local", cwd=work)
    assert "agrees" in run("verify", "d.zip", "local", cwd=work)
    assert "p50" in run("bench", "d.zip", "local", "--profile", "quick", cwd=work)
    Image.fromarray(np.array([[0] * 4, [0, 0, 204, 0], [0] * 4, [0] * 4], np.uint8)).save(work / "dog.png")
    (line,) = run("camera", "run", "local", "--source", f"file:{work}/dog.png", "--json", cwd=work).splitlines()
    assert json.loads(line)["label"] == "dog"
    assert json.loads(line)["sights"][0]["box"]["left"] == pytest.approx(0.55)


@pytest.mark.slow
def test_as_json(model: Path) -> None:
    """The same facts; a float model with what a person says of it."""
    words = ("f.tflite", "--labels", "a,b,c", "--input-range=-1,1", "--fit", "pad", "--answers", "probabilities")
    made = json.loads(run("import", *words, "-o", "out", "--json", cwd=model))
    bundle = load_bundle(model / "out")
    assert (made["bundle"], made["path"], made["name"], made["labels"]) == (bundle.digest, "out", "f", 3)
    assert (made["task"], made["answers"], made["accuracy"]) == ("classification", "probabilities", None)
    assert made["pixels"] == {"height": 4, "width": 4, "color": "gray", "low": -1.0, "high": 1.0, "fit": "pad"}
    assert bundle.manifest.pixels == Pixels(4, 4, "gray", -1.0, 1.0, "pad")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("import", "m.tflite", "--labels", "a,b"), 2, "2 labels for a model of 3 classes"),
        (("import", "f.tflite", "--labels", "l.txt"), 2, "--input-range 0,1"),
        (("import", "l.txt", "--labels", "l.txt"), 6, "not a TFLite model"),
        (("push", "m.tflite"), 2, "`bramble import m.tflite --labels FILE` makes a bundle of it"),
        (("deploy", "m.tflite"), 2, "is a bare model"),
    ],
)
def test_refusals(model: Path, failed: Failed, words: tuple[str, ...], code: int, said: str) -> None:
    """One message, what to do, an exit code; nothing is made."""
    assert said in failed(bramble(*words, cwd=model), code)
    assert sorted(path.name for path in model.iterdir()) == ["f.tflite", "l.txt", "m.tflite"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--input-range", "1"), "is no LOW,HIGH"),
        (("--input-range", "1,1"), "is no LOW,HIGH"),
        (("--fit", "squeeze"), "not one of stretch, crop, pad"),
        (("--answers", "magic"), "not one of logits, probabilities"),
    ],
)
def test_options_that_make_no_sense(model: Path, words: tuple[str, ...], said: str) -> None:
    """Usage errors, as every verb's."""
    done = bramble("import", "m.tflite", "--labels", "l.txt", *words, cwd=model)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_bundle_is_no_model(work: Path, failed: Failed) -> None:
    """It is pushed as it is."""
    make_bundle(work / "b")
    assert "a bundle is pushed as it is" in failed(bramble("import", "b", "--labels", "a", cwd=work), 2)
