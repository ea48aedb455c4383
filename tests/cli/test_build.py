"""``bramble build``: every mistake in a recipe is one message, a finished run is found, its report can be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bramble_agent.bundle import open_bundle
from running import ONE_EPOCH, bramble

from .conftest import Failed

GOOD = """\
name = "mine"
[data]
name = "digits"
[model]
build = "bramble_zoo.digits_cnn:build"
[[stage]]
do = "train"
[[stage]]
do = "quantize"
"""
WRONG = {
    "not TOML": (GOOD.replace('"mine"', "mine"), "mine.toml: not valid TOML"),
    "unknown key": (GOOD.replace('do = "train"', 'do = "train"\nepoch = 3'), "did you mean 'epochs'?"),
    "wrong type": (GOOD.replace('do = "train"', 'do = "train"\nepochs = "many"'), "mine.toml:8: stage.0.epochs"),
    "unknown stage": (GOOD.replace('"train"', '"trian"'), "there is no stage 'trian'; did you mean 'train'?"),
    "no last stage": (GOOD.replace('[[stage]]\ndo = "quantize"\n', ""), 'must be do = "quantize"'),
    "no module": (GOOD.replace("bramble_zoo.digits_cnn", "absent_module"), "there is no module absent_module"),
    "no keras file": (GOOD.replace('build = "bramble_zoo.digits_cnn:build"', 'keras = "a.keras"'), "there is no file"),
    "no pictures": (GOOD.replace('"digits"', '"folder"\npath = "absent"'), "there is no folder"),
}


@pytest.mark.parametrize(("recipe", "said"), WRONG.values(), ids=WRONG)
def test_mistake_in_a_recipe_is_one_message(work: Path, failed: Failed, recipe: str, said: str) -> None:
    """Whatever is wrong with a recipe exits with 2 and says where and what, and no run is begun."""
    (work / "mine.toml").write_text(recipe)
    assert said in failed(bramble("build", "mine.toml", cwd=work), 2)
    assert not (work / "runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["digits-int9"], "did you mean 'digits-int8'?"),
        (["absent.toml"], "there is no recipe file absent.toml"),
        (["digits-int8", "--set", "stage.0.epochs"], "--set stage.0.epochs: not key=value"),
        (["digits-int8", "--set", "stage.0.epochs=-1"], "--set stage.0.epochs=-1: stage.0.epochs"),
    ],
)
def test_mistake_on_the_command_line(work: Path, failed: Failed, words: list[str], said: str) -> None:
    """An unknown recipe and a bad override are told by name, with the nearest that there is."""
    assert said in failed(bramble("build", *words, cwd=work), 2)


def test_data_that_are_not_there(work: Path, failed: Failed) -> None:
    """A data folder without the data set exits with 2, names the file, and says how to get it."""
    (work / "empty").mkdir()
    said = failed(bramble("build", "lenet5-int8", "--data", "empty", cwd=work), 2)
    assert "empty" in said
    assert "  → " in said


def test_results_that_cannot_be_kept(work: Path, failed: Failed) -> None:
    """A file where the results should go exits with 1 and says what to do, before anything is trained."""
    (work / "runs").write_text("")
    said = failed(bramble("build", "digits-int8", cwd=work), 1)
    assert "cannot write under" in said
    assert "--runs" in said


@pytest.mark.slow
def test_finished_run_is_told_and_shown(runs: Path, work: Path) -> None:
    """A finished run is found and gets the report it lacked; figures go to stdout, progress to stderr."""
    done = bramble("build", "digits-int8", "--set", ONE_EPOCH, cwd=work)
    assert done.returncode == 3  # one epoch does not reach the recipe's accuracy
    assert done.stderr.splitlines() == [
        "[1/4] train cached",
        "[2/4] quantize cached",
        "[3/4] evaluate cached",
        "[4/4] bundle cached",
    ]
    assert "✗ accuracy" in done.stdout
    assert "MISSED" in done.stdout
    paths = dict(line.split() for line in done.stdout.splitlines() if line.startswith(("report ", "bundle ")))
    assert (work / paths["report"]).read_text().startswith("<!doctype html>")
    assert open_bundle(work / paths["bundle"]).manifest.name == "digits-int8"


@pytest.mark.slow
def test_json_is_the_report_and_nothing_else(runs: Path, work: Path) -> None:
    """With --json, stdout is one JSON document: the report that lies in the run's folder."""
    done = bramble("build", "digits-int8", "--set", ONE_EPOCH, "--json", cwd=work)
    made = json.loads(done.stdout)
    (written,) = (runs / "digits-int8").glob("*/report.json")
    assert made == json.loads(written.read_text())
    assert made["board"] is None
    assert [stage["name"] for stage in made["stages"]] == ["train", "quantize"]
    assert {line["name"]: line["verdict"] for line in made["budget"]} == {
        "accuracy": "missed",
        "size_bytes": "pass",
        "p95_ms": "undecided",
    }


@pytest.mark.slow
def test_reachable_budget_exits_with_0(runs: Path, work: Path) -> None:
    """A build that misses nothing succeeds, though the latency is not known before a board was asked."""
    done = bramble("build", "digits-int8", "--set", ONE_EPOCH, "--set", "budget.accuracy=0.05", "--json", cwd=work)
    assert done.returncode == 0
    assert json.loads(done.stdout)["verdict"] == "undecided"
    assert done.stderr.splitlines()[-1] == "[4/4] bundle …"


@pytest.mark.slow
def test_environment_names_the_results(runs: Path, work: Path) -> None:
    """$BRAMBLE_RUNS stands for --runs."""
    runs.rename(work / "elsewhere")
    done = bramble("build", "digits-int8", "--set", ONE_EPOCH, cwd=work, BRAMBLE_RUNS="elsewhere")
    assert done.returncode == 3
    assert "report  elsewhere/digits-int8/" in done.stdout
