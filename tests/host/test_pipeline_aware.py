"""Quantization-aware training as a recipe has it: taught by the model itself or a file, found again, its key whole."""

from __future__ import annotations

import pytest

from bramble.errors import RecipeError
from bramble.recipe import Train, tuning_of
from bramble.recipe_quantize import Quantize
from running import run_pipeline

from .recipes import TRAIN, Write, runs_of

AWARE = 'do = "quantize"\ncalibration = 64\nmax_mean_lsb = 100.0\n[stage.aware]\nepochs = {}\nteacher = "{}"\n'
PLAIN = '[[stage]]\ndo = "quantize"\nscheme = "float32"\n'


@pytest.mark.slow
def test_taught_by_itself_and_found_again(write: Write) -> None:
    """The stage learns from the model before it; repeated, it is found; with other epochs it is made anew."""
    recipe = write("own", "middle", TRAIN)
    text = recipe.read_text()
    recipe.write_text(text.replace(PLAIN, "[[stage]]\n" + AWARE.format(1, "self")))
    first = run_pipeline(recipe, runs_of(recipe))
    assert first.stages == [(name, False) for name in ("train", "quantize", "evaluate", "bundle")]
    audit = first.built.facts["stages"][-1]["audit"]
    assert audit["kernels"] > 0
    assert audit["other_kernels"] == []
    assert all(found for _, found in run_pipeline(recipe, runs_of(recipe)).stages)
    recipe.write_text(text.replace(PLAIN, "[[stage]]\n" + AWARE.format(2, "self")))
    again = run_pipeline(recipe, runs_of(recipe))
    assert again.stages[:2] == [("train", True), ("quantize", False)]


def test_missing_teacher_is_told_before_any_work(write: Write) -> None:
    """A teacher's file that is not there stops the run before the first stage."""
    recipe = write("own", "middle", TRAIN)
    recipe.write_text(recipe.read_text().replace(PLAIN, "[[stage]]\n" + AWARE.format(1, "gone.keras")))
    with pytest.raises(RecipeError, match=r"teacher: there is no file .*gone\.keras"):
        run_pipeline(recipe, runs_of(recipe))


def test_how_a_stage_trains() -> None:
    """A training stage is its own tuning, quantize has it in a table, or not at all."""
    train = Train(do="train")
    assert tuning_of(train) is train
    assert tuning_of(Quantize(do="quantize")) is None
    aware = Quantize.model_validate({"do": "quantize", "aware": {"epochs": 3}})
    assert tuning_of(aware) is aware.aware
