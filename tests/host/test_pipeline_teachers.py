"""Teachers in a run: where they come from, how assistants pass on, what is found again and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from bramble.build_model import build_model, load_model, set_seed
from bramble.compress.distill import distill
from bramble.datasets import digits
from bramble.datasets.types import split
from bramble.errors import RecipeError
from bramble.events import Note
from bramble.reading import read_recipe
from bramble.recipe import Distill
from bramble.training.answers import ask
from bramble.training.lesson import Lesson
from bramble_agent.bundle import open_bundle
from running import Run, run_pipeline

from .conftest import quiet
from .recipes import DISTILL, END, TRAIN, Write, linear, names, runs_of


def notes(run: Run) -> list[str]:
    """What was told in passing."""
    return [event.text for event in run.events if isinstance(event, Note)]


@pytest.mark.slow
def test_a_recipe_beside_this_one_is_trained_found_again_and_heeded(write: Write) -> None:
    """The teacher's own stage comes first, without its quantize; repeated, all is found; changed, its pupil is new."""
    teacher = write("teacher", "wide", TRAIN)
    pupil = write("pupil", "build", DISTILL.format("teacher.toml"))
    first = run_pipeline(pupil, runs_of(pupil))
    assert names(first) == ["train", "distill", *END]
    (begins, asks) = notes(first)
    assert begins == "teacher teacher:"
    assert asks.startswith("asking the teacher once for all: 1 x ")
    assert not first.built.cached
    again = run_pipeline(pupil, runs_of(pupil))
    assert [found for _, found in again.stages] == [True] * 5
    assert again.built.cached
    teacher.write_text(teacher.read_text().replace("epochs = 2", "epochs = 3"))
    changed = run_pipeline(pupil, runs_of(pupil))
    assert [found for _, found in changed.stages] == [False] * 5
    assert changed.built.facts["bundle"] != first.built.facts["bundle"]
    refreshed = run_pipeline(pupil, runs_of(pupil), fresh=True)
    assert [found for _, found in refreshed.stages] == [True] + [False] * 4


def taught(path: Path, teacher: keras.Model) -> keras.Model:
    """The model of a recipe, distilled as its stage says, without the pipeline."""
    read = read_recipe(str(path))
    knobs = read.recipe.stage[0].model_dump(exclude={"do", "teacher", "assistants"})
    set_seed(1)
    model = build_model(read.recipe.model, read.folder, (8, 8, 1), 10)
    how = Distill(**knobs, do="distill", teacher="given")
    work = quiet(split(digits.source(), 0.1))
    said = ask(teacher, 0, work.data, work.pixels, lambda _: None)
    return distill(model, how, work, Lesson(teacher, answers=said))


def kept(run: Run, name: str, parameters: int) -> keras.Model:
    """The model that a stage left, by its size."""
    from bramble.artifact import Store

    store = Store(run.runs / ".artifacts")
    found = [store.find(folder.name) for folder in store.root.iterdir()]
    (one,) = [a for a in found if a and (a.facts["name"], a.facts.get("parameters")) == (name, parameters)]
    return load_model(one.file("model.keras"))


@pytest.mark.slow
def test_assistants_are_trained_each_by_the_one_before(write: Write) -> None:
    """16 hidden teach 8, and these teach the linear model: both weights to the bit as by hand; repeated, all found."""
    write("teacher", "wide", TRAIN)
    assistant = write("assistant", "middle", TRAIN)
    pupil = write("pupil", "build", DISTILL.format("teacher.toml") + 'assistants = ["assistant.toml"]\n')
    run = run_pipeline(pupil, runs_of(pupil))
    assert names(run) == ["train", "distill", "distill", *END]
    assert [told for told in notes(run) if told.startswith("teacher ")] == ["teacher teacher:", "teacher assistant:"]
    assert all(found for _, found in run_pipeline(pupil, runs_of(pupil)).stages)
    sizes = {"teacher": 65 * 16 + 17 * 10, "assistant": 65 * 8 + 9 * 10, "pupil": 65 * 10}
    middle = taught(assistant, kept(run, "train", sizes["teacher"]))
    last = taught(pupil, kept(run, "distill", sizes["assistant"]))
    for model, size in ((middle, sizes["assistant"]), (last, sizes["pupil"])):
        found = kept(run, "distill", size).get_weights()
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), found, strict=True))


@pytest.mark.slow
def test_a_keras_file_teaches_while_fine_tuning(write: Write) -> None:
    """Pruning after training with a file as teacher: another file makes the pruning new, not the training."""
    prune = 'do = "prune"\ndensity = 0.5\nepochs = 1\nteacher = "teacher.keras"\n'
    pupil = write("pupil", "build", TRAIN, prune)
    found = []
    for seed in (1, 1, 2):
        linear(pupil.parent / "teacher.keras", (8, 8, 1), 10, seed)
        run = run_pipeline(pupil, runs_of(pupil))
        found.append(run.stages[:2])
        nonzero = run.built.facts["stages"][1]["nonzero"]
        assert nonzero <= 320 + 10
    new, known = ("prune", False), ("train", True)
    assert found[0] == [("train", False), new]
    assert found[1][0] == known
    assert found[2] == [known, new]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("absent.keras", r"teacher: there is no file .*absent\.keras"),
        ("absent.toml", r"there is no recipe file absent\.toml"),
        ("digits-int9", "there is no recipe 'digits-int9'; did you mean 'digits-int8'"),
        ("pupil.toml", "the recipe pupil is its own teacher"),
        ("empty.toml", "the recipe empty trains nothing first"),
        ("ranged.toml", r"the recipe ranged has another data\.range"),
    ],
)
def test_a_teacher_that_cannot_be_is_told_before_any_work(write: Write, named: str, said: str) -> None:
    """Missing, its own, without training, with other pixels: told before the first stage, nothing is written."""
    pupil = write("pupil", "build", TRAIN, DISTILL.format(named))
    write("empty", "build", model='keras = "some.keras"')
    write("ranged", "build", TRAIN, data="range = [-1.0, 1.0]")
    with pytest.raises(RecipeError, match=said):
        run_pipeline(pupil, runs_of(pupil))
    assert not runs_of(pupil).exists()


def test_recipes_that_teach_each_other_are_refused(write: Write) -> None:
    """A circle of two is told, not followed."""
    write("other", "wide", DISTILL.format("pupil.toml"))
    pupil = write("pupil", "build", DISTILL.format("other.toml"))
    with pytest.raises(RecipeError, match="the recipe pupil is its own teacher"):
        run_pipeline(pupil, runs_of(pupil))


def test_assistants_must_be_trained(write: Write) -> None:
    """A file among the assistants cannot learn from the teacher; nor can a recipe that begins with pruning."""
    stage = DISTILL.format("teacher.keras")
    prune = 'do = "prune"\ndensity = 0.5\nepochs = 0\n'
    pupil = write("pupil", "build", stage + 'assistants = ["teacher.keras"]\n')
    linear(pupil.parent / "teacher.keras", (8, 8, 1), 10, 1)
    with pytest.raises(RecipeError, match=r"teacher\.keras is trained already"):
        run_pipeline(pupil, runs_of(pupil))
    write("pruned", "", prune, model='keras = "teacher.keras"')
    pupil = write("pupil", "build", stage + 'assistants = ["pruned.toml"]\n')
    with pytest.raises(RecipeError, match="the recipe pruned trains nothing first"):
        run_pipeline(pupil, runs_of(pupil))


@pytest.mark.parametrize(("shape", "classes"), [((9, 8, 1), 10), ((8, 8, 1), 9)])
def test_a_teacher_of_another_shape_is_refused(write: Write, shape: tuple[int, int, int], classes: int) -> None:
    """Other pictures or other classes: told with both shapes before the stage ahead of it trains; nothing is left."""
    pupil = write("pupil", "build", TRAIN, DISTILL.format("teacher.keras"))
    linear(pupil.parent / "teacher.keras", shape, classes, 1)
    said = f"takes (None, {', '.join(map(str, shape))}) and gives (None, {classes}), the model takes (None, 8, 8, 1)"
    with pytest.raises(RecipeError, match=re.escape(said)):
        run_pipeline(pupil, runs_of(pupil))
    assert not list((runs_of(pupil) / ".artifacts").iterdir())


def test_a_recipe_for_other_pictures_is_refused_before_it_trains(write: Write) -> None:
    """What the teacher's recipe says of its data is enough: nothing is trained, nothing written."""
    from PIL import Image

    pupil = write("pupil", "build", TRAIN, DISTILL.format("photos.toml"))
    for number in range(20):
        place = pupil.parent / "photos" / f"class{number % 2}" / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(place)
    photos = write("photos", "build", TRAIN, data='path = "photos"\nsize = [8, 8]\ncolor = "gray"')
    photos.write_text(photos.read_text().replace('name = "digits"', 'name = "folder"'))
    said = "the teacher photos takes (None, 8, 8, 1) and gives (None, 2), the model takes (None, 8, 8, 1)"
    with pytest.raises(RecipeError, match=re.escape(said)):
        run_pipeline(pupil, runs_of(pupil))
    assert not runs_of(pupil).exists()


def test_a_file_that_is_no_model_is_refused(write: Write) -> None:
    """A damaged teacher is an error with its path."""
    pupil = write("pupil", "build", DISTILL.format("teacher.keras"))
    (pupil.parent / "teacher.keras").write_bytes(b"nothing")
    with pytest.raises(RecipeError, match=r"teacher\.keras does not load"):
        run_pipeline(pupil, runs_of(pupil))


@pytest.mark.slow
def test_everything_one_after_the_other(write: Write, tmp_path: Path) -> None:
    """Distilled from the zoo's recipe, pruned, slimmed, in int8: the shipped file is small and far above chance."""
    fine = 'epochs = {}\nbatch_size = 32\nlearning_rate = 1e-3\nteacher = "digits-int8"\n'
    stages = (
        'do = "distill"\n' + fine.format(10),
        'do = "slim"\nratio = 0.5\nround_to = 8\n' + fine.format(5),
        'do = "prune"\ndensity = 0.3\n' + fine.format(5),
    )
    path = write("all", "", *stages, model='build = "bramble_zoo.digits_cnn:build"')
    path.write_text(path.read_text().replace('"float32"', '"int8"'))
    run = run_pipeline(path, tmp_path / "runs")
    assert run.stages[:3] == [("train", False), ("train", True), ("train", True)]  # one teacher, three lessons
    assert names(run)[3:] == ["distill", "slim", "prune", *END]
    distilled, slimmed, pruned, shipped = run.built.facts["stages"]
    small = (9 * 8 + 8) + (9 * 8 * 16 + 16) + (4 * 16 * 16 + 16) + (16 * 10 + 10)
    assert [one["parameters"] for one in (distilled, slimmed, pruned)] == [9_258, small, small]
    assert pruned["nonzero"] <= round(0.3 * (small - 50)) + 50
    assert shipped["accuracy"] > 0.8
    scores = open_bundle(run.built.bundle).manifest.scores
    assert scores.accuracy is not None
    assert scores.accuracy > 0.75
    assert scores.parameters == small
    assert run_pipeline(path, tmp_path / "runs").built.cached


@pytest.mark.slow
def test_a_teacher_is_asked_once_for_all_stages_and_seeds(write: Write) -> None:
    """Two stages and another seed find the answers that the first stage asked for; too many variants are not asked."""
    write("teacher", "wide", TRAIN)
    stages = (DISTILL.format("teacher.toml"), 'do = "prune"\ndensity = 0.5\nepochs = 2\nteacher = "teacher.toml"\n')
    pupil = write("pupil", "build", *stages)
    asks = [told for told in notes(run_pipeline(pupil, runs_of(pupil))) if told.startswith("asking")]
    assert len(asks) == 1
    pupil.write_text(pupil.read_text().replace("epochs = 2", "epochs = 3"))
    assert not [told for told in notes(run_pipeline(pupil, runs_of(pupil))) if told.startswith("asking")]
    pupil.write_text(pupil.read_text().replace("epochs = 3", "epochs = 3\naugment = { shift = 1 }"))
    run = run_pipeline(pupil, runs_of(pupil))
    assert not [told for told in notes(run) if told.startswith("asking")]
    assert ("distill", False) in run.stages
