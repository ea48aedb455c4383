"""``bramble deploy``, ``bench``, ``push`` and ``verify`` on this machine as the board, with bundles made by hand."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bramble_agent.wire import Budget, Scores
from making import bundle_digest, make_bundle, make_golden, make_zip
from running import bramble

from .conftest import Failed

QUICK = ("--profile", "quick")
MET = Budget(size_bytes=100_000, p50_ms=1000.0)


@pytest.fixture
def wrong(work: Path) -> Path:
    """A bundle whose golden answers are one step off."""
    golden = make_golden()
    golden["output_0"] = golden["output_0"] + np.int8(1)
    return make_bundle(work / "wrong", arrays=golden)


@pytest.mark.slow
def test_report_is_json_first_and_a_table_then(work: Path) -> None:
    """As JSON, stdout is the report that lies under runs/ and nothing else; as a table, figures and the page's path.

    The bundle is sent once and found the second time.
    """
    bundle = make_bundle(work / "bundle", budget=MET)
    make_zip(bundle, work / "tiny.zip")
    first = bramble("deploy", "bundle", *QUICK, "--json", cwd=work)
    assert first.returncode == 0, first.stderr
    made = json.loads(first.stdout)
    (written,) = (work / "runs" / "tiny-int8" / "reports").glob("*-local/report.json")
    assert made == json.loads(written.read_text())
    assert (made["verdict"], made["bundle"]) == ("pass", bundle_digest(bundle))
    assert made["board"]["name"] == "local"
    assert len(made["latency"]["samples_ns"]) >= 64
    assert min(made["latency"]["samples_ns"]) > 0
    assert (made["verify"]["ok"], made["verify"]["checked"]) == (True, 4)
    assert re.search(r"gives the golden answers and is current \([\d,]+ bytes sent\)\n", first.stderr)
    second = bramble("deploy", "tiny.zip", *QUICK, cwd=work)
    assert second.returncode == 0, second.stderr
    assert "(already there, nothing sent)" in second.stderr
    for shown in ("tiny-int8 on local (", "latency p50", " PASS", "bundle  tiny.zip\n"):
        assert shown in second.stdout
    page = work / second.stdout.splitlines()[-1].removeprefix("report  ")
    assert page.read_text().startswith("<!doctype html>")
    assert page.parent != written.parent


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "verdict", "code"),
    [
        ({"budget": Budget(accuracy=0.9, size_bytes=100_000), "scores": Scores(accuracy=0.8)}, "missed", 3),
        ({"budget": Budget(accuracy=0.9, size_bytes=100_000)}, "undecided", 4),  # nobody scored it
    ],
)
def test_verdict_is_the_exit_code(work: Path, changes: dict[str, Any], verdict: str, code: int) -> None:
    """A missed budget exits with 3, one that cannot be decided with 4, and the report is printed all the same."""
    make_bundle(work / "bundle", **changes)
    done = bramble("deploy", "bundle", *QUICK, "--json", cwd=work)
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (code, verdict)


@pytest.mark.slow
def test_wrong_golden_answers_miss(work: Path, wrong: Path) -> None:
    """A board that gives other answers misses, whatever the budget, and says so twice."""
    done = bramble("bench", "wrong", *QUICK, cwd=work)
    assert done.returncode == 3
    assert "does NOT give the golden answers: not made current" in done.stderr
    assert "✗ golden answers" in done.stdout
    assert "1 LSB off" in done.stdout


@pytest.mark.slow
def test_run_folder_keeps_its_history(runs: Path, work: Path) -> None:
    """Deploying a run's folder takes the stages and the recipe of that run into the report."""
    (folder,) = (path for path in (runs / "digits-int8").iterdir() if path.is_dir())
    done = bramble("deploy", folder, *QUICK, "--json", cwd=work)
    made = json.loads(done.stdout)
    assert done.returncode == 3
    assert [stage["name"] for stage in made["stages"]] == ["train", "quantize"]
    assert made["recipe_table"]["stage"][0]["epochs"] == 1
    assert made["size"]["shipped_bytes"] < made["size"]["model_bytes"]
    assert made["accuracy"]["tested"] == 360


def damaged(work: Path) -> dict[str, Path]:
    """Bundles that nobody should deploy."""
    whole = make_zip(make_bundle(work / "bundle"), work / "whole.zip").read_bytes()
    (work / "cut.zip").write_bytes(whole[: len(whole) // 2])
    middle = len(whole) // 2
    (work / "flipped.zip").write_bytes(whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :])
    lost = make_bundle(work / "lost")
    (lost / "golden.npz").unlink()
    return {name: work / name for name in ("cut.zip", "flipped.zip", "lost", "absent.zip")}


@pytest.mark.parametrize("name", ["cut.zip", "flipped.zip", "lost", "absent.zip"])
def test_damaged_bundle_is_refused(work: Path, home: Path, failed: Failed, name: str) -> None:
    """A bundle that is missing, cut short or altered exits with 2 by name, before anything reaches a board."""
    path = damaged(work)[name]
    said = failed(bramble("deploy", path, *QUICK, cwd=work), 2)
    assert name in said
    assert "  → " in said
    assert not home.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["deploy", "digits-int8", "lcoal"], "there is no board 'lcoal'; did you mean 'local'?"),
        (["bench", "bundle", "lcoal"], "there is no board 'lcoal'"),
        (["deploy", "absent-recipe"], "there is no recipe 'absent-recipe'"),
    ],
)
def test_what_is_asked_must_exist(work: Path, failed: Failed, words: list[str], said: str) -> None:
    """An unknown board is told before anything is trained or sent."""
    make_bundle(work / "bundle")
    assert said in failed(bramble(*words, cwd=work), 2)
    assert not (work / "runs").exists()


def test_unknown_profile_is_told_before_training(work: Path) -> None:
    """A misspelt profile is a usage error at once, and names those there are."""
    done = bramble("deploy", "digits-int8", "--profile", "quik", cwd=work)
    assert (done.returncode, done.stdout) == (2, "")
    assert "quick, standard" in done.stderr
    assert not (work / "runs").exists()


@pytest.mark.slow
def test_push_names_the_release(work: Path) -> None:
    """The first push sends, the second finds it there; both name the release by the bundle's digest."""
    digest = bundle_digest(make_bundle(work / "bundle"))
    first, second = (json.loads(bramble("push", "bundle", "--json", cwd=work).stdout) for _ in range(2))
    assert Path(first["local"]["release"]).name == digest
    assert first["local"]["sent_bytes"] > 0
    assert second["local"]["sent_bytes"] == 0
    told = bramble("push", "bundle", cwd=work).stdout
    assert told == f"local: release {digest[:12]} is current (was there already)\n"


@pytest.mark.slow
def test_push_of_wrong_answers(work: Path, wrong: Path, home: Path) -> None:
    """A bundle whose answers differ on the board exits with 3 and is not made current."""
    done = bramble("push", "wrong", cwd=work)
    assert done.returncode == 3
    assert "does NOT give the golden answers, not made current" in done.stdout
    assert json.loads(bramble("push", "wrong", "--json", cwd=work).stdout)["local"]["current"] is False
    assert not (home / "local-board" / "current").exists()


@pytest.mark.slow
def test_folder_of_runs(work: Path, failed: Failed) -> None:
    """The folder of a recipe's runs, and a recipe's name, get the bundles that are there, newest first."""
    for age, key in ((20, "aaaa"), (10, "bbbb")):
        made = make_bundle(work / "runs/tiny-int8" / key / "bundle")
        os.utime(made, (1e9 - age, 1e9 - age))
    newest_first = "runs/tiny-int8/bbbb/bundle, runs/tiny-int8/aaaa/bundle"
    for verb in ("verify", "deploy"):
        said = failed(bramble(verb, "runs/tiny-int8", cwd=work), 2)
        assert f"name one, the newest first: {newest_first}" in said
    said = failed(bramble("push", "tiny-int8", cwd=work), 2)
    assert "there is no bundle tiny-int8, but a recipe of that name was built" in said
    assert newest_first in said


@pytest.mark.slow
def test_verify_tells_how_far_answers_are_off(work: Path, wrong: Path) -> None:
    """Right answers exit with 0, wrong ones with 3 and by how much; as JSON too."""
    make_bundle(work / "right")
    right = bramble("verify", "right", cwd=work)
    assert right.returncode == 0
    assert right.stdout.startswith("local: agrees, 4 answers, off by 0 LSB at most (")
    done = bramble("verify", "wrong", "--json", cwd=work)
    assert done.returncode == 3
    answer = json.loads(done.stdout)["local"]
    assert (answer["ok"], answer["max_lsb"], answer["differing"]) == (False, 1, 12)
