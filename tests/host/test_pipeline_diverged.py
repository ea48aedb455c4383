"""A stage whose training runs away: what is said, and that the stages before it are found by the next run."""

from __future__ import annotations

import pytest

from bramble.errors import TrainingDiverged
from running import run_pipeline

from .recipes import END, TRAIN, Write, runs_of


@pytest.mark.slow
def test_stages_before_the_one_that_diverged_are_kept(write: Write) -> None:
    """Told with stage, epoch and step; nothing half-made is left; corrected, the recipe begins with what is there."""
    second = 'do = "prune"\ndensity = 0.5\nepochs = 2\nbatch_size = 64\nlearning_rate = {}\n'
    recipe = write("runaway", "wide", TRAIN, second.format("1e30"))
    said = r"^stage 2 \(prune\): the loss became (nan|inf) in epoch 1, step \d+ of 21$"
    with pytest.raises(TrainingDiverged, match=said) as caught:
        run_pipeline(recipe, runs_of(recipe))
    assert "learning_rate" in caught.value.hint
    left = [folder.name for folder in (runs_of(recipe) / ".artifacts").iterdir()]
    assert len(left) == 1
    assert not left[0].startswith(".")
    write("runaway", "wide", TRAIN, second.format("1e-3"))
    corrected = run_pipeline(recipe, runs_of(recipe))
    assert corrected.stages == [("train", True), ("prune", False), *[(name, False) for name in END]]
