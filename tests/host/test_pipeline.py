"""The pipeline: what is computed, what is found again, and that the same recipe gives the same bundle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bramble.errors import RecipeError, TrainingDiverged
from bramble.events import EpochEnded, Event, StageBegan
from bramble.pipeline import Options, trained
from bramble.reading import ReadRecipe, read_recipe
from bramble_agent.bundle import open_bundle
from running import ONE_EPOCH, Run, environment, run_pipeline

RECIPE = "digits-int8"
STAGES = ("train", "quantize", "evaluate", "bundle")

WHICH_MODULES = """
import json, runpy, sys
try:
    runpy.run_module("bramble", run_name="__main__")
finally:
    with open("modules.json", "w") as file:
        json.dump(sorted(sys.modules), file)
"""


def again(one_epoch: Run, *overrides: str, fresh: bool = False) -> list[bool]:
    """Which stages were found when the recipe runs into the same folder, with further overrides."""
    run = run_pipeline(RECIPE, one_epoch.runs, ONE_EPOCH, *overrides, fresh=fresh)
    assert tuple(name for name, _ in run.stages) == STAGES
    assert run.built.cached == all(found for _, found in run.stages)
    return [found for _, found in run.stages]


def test_first_run_computes_every_stage_in_order(one_epoch: Run) -> None:
    """Stages, score and bundle come in order, numbered, each computed; the one epoch is told."""
    assert one_epoch.stages == [(name, False) for name in STAGES]
    assert not one_epoch.built.cached
    (epoch,) = [event for event in one_epoch.events if isinstance(event, EpochEnded)]
    assert (epoch.epoch, epoch.epochs) == (1, 1)


def test_run_folder_holds_bundle_and_zip(one_epoch: Run) -> None:
    """A run's folder lies under the recipe's name and has the bundle twice, the same one."""
    built = one_epoch.built
    assert built.folder.parent == one_epoch.runs / RECIPE
    assert built.bundle == built.folder / "bundle.zip"
    digests = {open_bundle(path).digest for path in (built.folder / "bundle", built.bundle)}
    assert digests == {built.facts["bundle"]}


def test_facts_of_a_run(one_epoch: Run) -> None:
    """The run's facts tell each stage with its seconds, and the digits model's 9,258 parameters, counted by hand."""
    facts = one_epoch.built.facts
    assert [stage["name"] for stage in facts["stages"]] == ["train", "quantize"]
    assert {stage["parameters"] for stage in facts["stages"]} == {9_258}
    assert all(stage["seconds"] > 0 and 0 <= stage["accuracy"] <= 1 for stage in facts["stages"])
    by_hand = 64 * 9 * 16 + 16 * 9 * 16 * 32 + 2 * 2 * 32 * 32 + 32 * 10  # two convolutions, two dense layers
    assert facts["stages"][-1]["macs"] == by_hand
    assert json.loads(json.dumps(facts)) == facts


def test_second_run_finds_everything(one_epoch: Run) -> None:
    """The same recipe again finds every stage, the same folder and the same facts."""
    assert again(one_epoch) == [True, True, True, True]
    repeated = run_pipeline(RECIPE, one_epoch.runs, ONE_EPOCH)
    assert (repeated.built.folder, repeated.built.facts) == (one_epoch.built.folder, one_epoch.built.facts)


def test_the_trained_model_is_found_without_a_score(one_epoch: Run) -> None:
    """``trained`` gives the file of the stage before quantize, and of what a run made computes nothing."""
    events: list[Event] = []
    path = trained(read_recipe(RECIPE, [ONE_EPOCH]), Options(runs=one_epoch.runs), events.append)
    assert path.name == "model.keras"
    assert path.parent.parent == one_epoch.runs / ".artifacts"
    assert [(event.name, event.cached) for event in events if isinstance(event, StageBegan)] == [("train", True)]


def test_a_recipe_that_only_quantizes_trains_nothing(one_epoch: Run) -> None:
    """Asking for its trained model is refused."""
    read = read_recipe(RECIPE)
    only = read.recipe.model_copy(update={"stage": read.recipe.stage[-1:]})
    with pytest.raises(RecipeError, match="trains nothing"):
        trained(ReadRecipe(only, read.folder), Options(runs=one_epoch.runs), lambda _: None)


@pytest.mark.slow
def test_second_run_needs_no_tensorflow(one_epoch: Run, tmp_path: Path) -> None:
    """A run whose artifacts are there imports neither TensorFlow nor Keras, in a fresh process."""
    words = ["build", RECIPE, "--set", ONE_EPOCH, "--runs", str(one_epoch.runs)]
    done = subprocess.run(
        [sys.executable, "-c", WHICH_MODULES, *words],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines() == [f"[{n}/4] {name} cached" for n, name in enumerate(STAGES, 1)]
    loaded = set(json.loads((tmp_path / "modules.json").read_text()))
    assert {"bramble.pipeline", "numpy"} <= loaded
    assert not loaded & {"tensorflow", "keras", "sklearn", "paramiko"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("stage.0.epochs=2", [False, False, False, False]),
        ("seed=2", [False, False, False, False]),
        ("stage.1.scheme='float16'", [True, False, False, False]),
        ("budget.p95_ms=7.5", [True, True, True, False]),
        ("name='other-name'", [True, True, True, False]),
    ],
)
def test_a_change_recomputes_what_depends_on_it(one_epoch: Run, override: str, found: list[bool]) -> None:
    """What comes before a change is found, what comes after it is computed; once."""
    assert again(one_epoch, override) == found
    assert again(one_epoch, override) == [True, True, True, True]


def test_budget_reaches_the_bundle(one_epoch: Run) -> None:
    """A changed budget is a new bundle of the same model."""
    run = run_pipeline(RECIPE, one_epoch.runs, ONE_EPOCH, "budget.accuracy=0.5")
    old, new = open_bundle(one_epoch.built.bundle), open_bundle(run.built.bundle)
    assert new.read("model.tflite") == old.read("model.tflite")
    assert (old.manifest.budget.accuracy, new.manifest.budget.accuracy) == (0.9, 0.5)
    assert run.built.folder != one_epoch.built.folder


def test_a_lost_bundle_is_packed_again_from_what_is_there(one_epoch: Run, tmp_path: Path) -> None:
    """Losing a file of the result costs only the packing, not the training."""
    run = run_pipeline(RECIPE, one_epoch.runs, ONE_EPOCH, "budget.accuracy=0.6")
    run.built.bundle.unlink()
    assert again(one_epoch, "budget.accuracy=0.6") == [True, True, True, False]
    assert open_bundle(run.built.bundle).digest == run.built.facts["bundle"]


@pytest.mark.slow
def test_same_seed_gives_the_same_bundle_anywhere(one_epoch: Run, tmp_path: Path) -> None:
    """Another folder, everything computed anew: the bundle's digest is the same."""
    run = run_pipeline(RECIPE, tmp_path / "elsewhere", ONE_EPOCH)
    assert not run.built.cached
    assert run.built.facts["bundle"] == one_epoch.built.facts["bundle"]
    assert run.built.bundle.read_bytes() == one_epoch.built.bundle.read_bytes()


@pytest.mark.slow
def test_fresh_computes_everything_in_place(one_epoch: Run) -> None:
    """With fresh nothing is looked up; the result replaces the old one, which it equals."""
    assert again(one_epoch, fresh=True) == [False, False, False, False]
    assert open_bundle(one_epoch.built.bundle).digest == one_epoch.built.facts["bundle"]
    assert again(one_epoch) == [True, True, True, True]


@pytest.mark.slow
def test_diverged_training_leaves_no_artifact(tmp_path: Path) -> None:
    """A learning rate that makes the loss no number ends with advice and leaves nothing to be found."""
    with pytest.raises(TrainingDiverged, match="in epoch 1"):
        run_pipeline(RECIPE, tmp_path / "runs", ONE_EPOCH, "stage.0.learning_rate=1e12")
    assert list((tmp_path / "runs" / ".artifacts").iterdir()) == []
