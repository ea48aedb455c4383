"""A model that teaches itself: by the artifact before the stage, or by the file that the recipe begins with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import bramble.stages
from bramble.artifact import Store
from bramble.build_model import load_model
from running import Run, run_pipeline

from .recipes import DISTILL, END, TRAIN, Write, linear, runs_of

SELF = DISTILL.format("self")


def same(one: list[Any], other: list[Any]) -> bool:
    """Whether two lists of weights are equal to the bit."""
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Any], list[Any]]]:
    """What each distillation begins with: the student's weights and the teacher's."""
    found: list[tuple[list[Any], list[Any]]] = []
    whole: Callable[..., keras.Model] = bramble.stages.distill

    def listening(model: keras.Model, how: Any, work: Any, lesson: Any) -> keras.Model:
        assert lesson.teacher is not model
        found.append((model.get_weights(), lesson.teacher.get_weights()))
        return whole(model, how, work, lesson)

    monkeypatch.setattr(bramble.stages, "distill", listening)
    return found


def left_by(run: Run, name: str) -> keras.Model:
    """The model that the only stage of that name left."""
    store = Store(run.runs / ".artifacts")
    found = [store.find(folder.name) for folder in store.root.iterdir()]
    (one,) = [artifact for artifact in found if artifact and artifact.facts["name"] == name]
    return load_model(one.file("model.keras"))


@pytest.mark.slow
def test_the_teacher_is_the_model_before_the_stage(write: Write, heard: list[tuple[list[Any], list[Any]]]) -> None:
    """Student and teacher begin as what training left; repeated, all is found; trained longer, the lesson is new."""
    recipe = write("own", "middle", TRAIN, SELF)
    first = run_pipeline(recipe, runs_of(recipe))
    assert first.stages == [(name, False) for name in ("train", "distill", *END)]
    ((student, teacher),) = heard
    before = left_by(first, "train").get_weights()
    assert same(student, before)
    assert same(teacher, before)
    assert not same(left_by(first, "distill").get_weights(), before)
    assert run_pipeline(recipe, runs_of(recipe)).built.cached
    write("own", "middle", TRAIN.replace("epochs = 2", "epochs = 1"), SELF)
    assert run_pipeline(recipe, runs_of(recipe)).stages[:2] == [("train", False), ("distill", False)]
    assert len(heard) == 2
    assert not same(heard[1][1], teacher)


@pytest.mark.slow
def test_a_file_teaches_itself_from_the_first_stage(write: Write, heard: list[tuple[list[Any], list[Any]]]) -> None:
    """The recipe's own file is the teacher."""
    recipe = write("own", "", SELF, model='keras = "mine.keras"')
    linear(recipe.parent / "mine.keras", (8, 8, 1), 10, 3)
    run_pipeline(recipe, runs_of(recipe))
    ((student, teacher),) = heard
    mine = load_model(recipe.parent / "mine.keras").get_weights()
    assert same(student, mine)
    assert same(teacher, mine)
