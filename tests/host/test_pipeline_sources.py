"""Runs that begin with what is the user's own: a module, a Keras file, a folder of pictures with damaged ones in it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from bramble.datasets import digits
from bramble.errors import DataError, RecipeError
from bramble.events import Note
from bramble_agent.bundle import open_bundle
from running import run_pipeline

TRAIN = '[[stage]]\ndo = "train"\nepochs = 1\nbatch_size = 64\n'
QUANTIZE = '[[stage]]\ndo = "quantize"\nscheme = "{scheme}"\nmax_mean_lsb = 100.0\n'
OWN = """
import keras


def build(shape, classes):
    pixels = keras.Input(shape)
    return keras.Model(pixels, keras.layers.Dense(classes, "softmax")(keras.layers.Flatten()(pixels)))
"""
Recipe = Callable[..., Path]


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """``recipe(model, …)`` writes a recipe into a folder of its own, far from where the test runs."""
    (tmp_path / "project").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(model: str, data: str = 'name = "digits"', train: bool = True, scheme: str = "int8") -> Path:
        stages = (TRAIN if train else "") + QUANTIZE.format(scheme=scheme)
        path = tmp_path / "project" / "mine.toml"
        path.write_text(f'name = "mine"\n[data]\n{data}\n[model]\n{model}\n{stages}')
        return path

    return write


@pytest.mark.slow
def test_own_module_beside_the_recipe(recipe: Recipe, tmp_path: Path) -> None:
    """A builder of the user's is trained and shipped: 65 · 10 parameters, and a softmax makes it probabilities."""
    (tmp_path / "project" / "own_dense.py").write_text(OWN)
    run = run_pipeline(recipe('build = "own_dense:build"'), tmp_path / "runs")
    manifest = open_bundle(run.built.bundle).manifest
    assert manifest.scores.parameters == (8 * 8 + 1) * 10
    assert manifest.scores.macs == 8 * 8 * 10
    assert manifest.output_kind == "probabilities"


@pytest.mark.slow
def test_changed_own_module_is_trained_again(recipe: Recipe, tmp_path: Path) -> None:
    """Editing the user's module makes everything new; editing it back finds the first run."""
    source = tmp_path / "project" / "own_edited.py"
    how = recipe('build = "own_edited:build"')
    found = []
    for text in (OWN, OWN + "# edited\n", OWN):
        source.write_text(text)
        found.append(run_pipeline(how, tmp_path / "runs").built.cached)
    assert found == [False, False, True]


@pytest.mark.slow
def test_keras_file_is_shipped_as_it_is(recipe: Recipe, tmp_path: Path) -> None:
    """Without training, the shipped float32 file scores what Keras itself scores on the digits' last 360."""
    keras.utils.set_random_seed(3)
    pixels = keras.Input((8, 8, 1))
    model = keras.Model(pixels, keras.layers.Dense(10)(keras.layers.Flatten()(pixels)))
    model.save(tmp_path / "project" / "file.keras")
    run = run_pipeline(recipe('keras = "file.keras"', train=False, scheme="float32"), tmp_path / "runs")
    _, test = digits.source().load()
    answers = np.asarray(model.predict(test.pixels / np.float32(255), verbose=0)).argmax(1)
    scores = open_bundle(run.built.bundle).manifest.scores
    assert [name for name, _ in run.stages] == ["quantize", "evaluate", "bundle"]
    assert scores.tested == 360
    assert scores.accuracy == scores.float_accuracy == np.mean(answers == test.labels)


def test_missing_module_is_told_before_any_work(recipe: Recipe, tmp_path: Path) -> None:
    """A builder that does not exist ends the run before the first stage, and writes nothing."""
    with pytest.raises(RecipeError, match="there is no module own_absent"):
        run_pipeline(recipe('build = "own_absent:build"'), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def stripes(folder: Path, count: int) -> None:
    """Two classes of pictures, lying and standing stripes of changing width and brightness."""
    random = np.random.default_rng(7)
    for name in ("lying", "standing"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            picture = random.integers(0, 60, (12, 12), dtype=np.uint8)
            picture[random.integers(0, 4) :: random.integers(3, 5)] += np.uint8(random.integers(120, 180))
            Image.fromarray(picture if name == "lying" else picture.T).save(folder / name / f"{number:02d}.png")


FOLDER = 'name = "folder"\npath = "pictures"\nsize = [12, 12]\ncolor = "gray"'


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Eighty pictures, one of which is cut in half."""
    stripes(tmp_path / "project" / "pictures", 40)
    path = tmp_path / "project" / "pictures" / "lying" / "07.png"
    path.write_bytes(path.read_bytes()[:60])
    return path


@pytest.mark.slow
def test_damaged_picture_is_told_and_skipped(recipe: Recipe, tmp_path: Path, damaged: Path) -> None:
    """A damaged picture is one warning with its name, and the rest becomes a model with the folders' classes.

    The second run tells it again, though what is cached needs no picture to be opened.
    """
    (tmp_path / "project" / "own_stripes.py").write_text(OWN)
    how = recipe('build = "own_stripes:build"', FOLDER)
    first, second = (run_pipeline(how, tmp_path / "runs") for _ in range(2))
    (warning,) = [event.text for event in first.events if isinstance(event, Note) and event.warning]
    assert warning.startswith(f"skipped a damaged picture: {damaged} (")
    assert open_bundle(first.built.bundle).labels == ("lying", "standing")
    assert second.built.cached
    assert [event.text for event in second.events if isinstance(event, Note)] == [warning]


def test_damaged_picture_is_an_error_when_strict(recipe: Recipe, tmp_path: Path, damaged: Path) -> None:
    """With strict, the damaged picture ends the run by name."""
    (tmp_path / "project" / "own_stripes.py").write_text(OWN)
    with pytest.raises(DataError, match=f"{damaged.name} is damaged"):
        run_pipeline(recipe('build = "own_stripes:build"', FOLDER), tmp_path / "runs", strict=True)
