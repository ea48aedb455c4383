"""The verbs that look: ``models``, ``data``, ``inspect``, ``report``, ``check``, ``schema``; for people and as JSON."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bramble.bundle import zip_bundle
from bramble.packing.pack import pack
from bramble.report.facts import make_report
from bramble.report.files import write_report
from bramble_agent.bundle import open_bundle
from bramble_agent.wire import Budget
from making import bundle_digest, make_bundle, make_model, make_zip
from running import ONE_EPOCH, bramble

from .conftest import Failed

RECIPES = Path(__file__).parents[2] / "models" / "bramble_zoo" / "recipes"


def parsed(*words: str | Path, cwd: Path) -> Any:
    """What a verb prints as JSON; it must succeed and say nothing else."""
    done = bramble(*words, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_models_are_the_zoos_recipes(work: Path) -> None:
    """Every recipe file of the zoo is listed, with its name, its data and its stages as they are written in it."""
    found = parsed("models", "--json", cwd=work)
    written = {path.stem: tomllib.loads(path.read_text()) for path in RECIPES.glob("*.toml")}
    assert set(found) == set(written)
    for name, recipe in written.items():
        assert found[name]["data"]["name"] == recipe["data"]["name"]
        assert [stage["do"] for stage in found[name]["stage"]] == [stage["do"] for stage in recipe["stage"]]


def test_models_for_people(work: Path) -> None:
    """The table has a line a recipe with its stages and its budget."""
    said = bramble("models", cwd=work).stdout
    (line,) = [line for line in said.splitlines() if line.strip().startswith("digits-int8")]
    assert "digits_cnn" in line
    assert "train → quantize" in line
    assert "accuracy 0.9" in line


@pytest.mark.slow
def test_data_at_hand(work: Path) -> None:
    """Digits come with a library; the others are downloaded, or are in a folder that is named; own pictures always."""
    found = parsed("data", "--json", cwd=work)
    assert set(found) == {"digits", "mnist", "fashion_mnist", "cifar10", "folder"}
    (work / "empty").mkdir()
    absent = parsed("data", "--data", "empty", "--json", cwd=work)
    assert [name for name, where in absent.items() if where.startswith("not here: ")] == [
        "mnist",
        "fashion_mnist",
        "cifar10",
    ]
    lines = bramble("data", "--data", "empty", cwd=work).stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(found)


def test_data_in_a_folder(work: Path, data: Path) -> None:
    """Data sets that are there are said to be there."""
    found = parsed("data", "--data", data, "--json", cwd=work)
    assert found["mnist"] == f"in {data}"


def test_schema_describes_a_recipe(work: Path) -> None:
    """The schema is JSON Schema and knows the recipe's tables, required ones first."""
    schema = parsed("schema", cwd=work)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["required"]) == {"name", "data", "model", "stage"}
    assert {"seed", "budget"} <= set(schema["properties"])


INSPECTED = {
    "macs": 4 * 4 * 3,
    "weights": 4 * 4 * 3,
    "inputs": ["picture [1, 4, 4, 1] INT8"],
    "outputs": ["scores [1, 3] INT8"],
    "operators": ["FULLY_CONNECTED v4 × 1"],
}


@pytest.mark.parametrize("kind", ["folder", "zip", "run"])
def test_inspect_a_bundle(work: Path, kind: str) -> None:
    """A bundle's facts are those it was made with: one dense layer of 16 pixels and 3 classes, counted by hand."""
    bundle = make_bundle(work / "run" / "bundle")
    paths = {"folder": bundle, "zip": make_zip(bundle, work / "tiny.zip"), "run": work / "run"}
    found = parsed("inspect", paths[kind], "--json", cwd=work)
    assert found["bundle"] == bundle_digest(bundle)
    assert (found["name"], found["labels"]) == ("tiny-int8", "left, right, même")
    assert found["model_bytes"] == (bundle / "model.tflite").stat().st_size
    assert {name: found[name] for name in INSPECTED} == INSPECTED


@pytest.mark.slow
def test_inspect_a_tflite(work: Path) -> None:
    """A bare .tflite is looked into too, for people and as JSON."""
    (work / "tiny.tflite").write_bytes(make_model())
    found = parsed("inspect", "tiny.tflite", "--json", cwd=work)
    assert {name: found[name] for name in INSPECTED} == INSPECTED
    assert "bundle" not in found
    said = bramble("inspect", "tiny.tflite", cwd=work).stdout
    assert "picture [1, 4, 4, 1] INT8" in said
    assert "FULLY_CONNECTED v4 × 1" in said


def test_inspect_shows_labels_as_they_are(work: Path) -> None:
    """Labels that look like markup are neither obeyed nor lost."""
    make_bundle(work / "bundle", labels=b"[red]\n[/b]\n:smile:\n")
    assert "[red], [/b], :smile:" in bramble("inspect", "bundle", cwd=work).stdout


@pytest.mark.slow
def test_inspect_a_packed_model(work: Path, failed: Failed) -> None:
    """A packed model shows how each tensor is coded, and --extract writes the plain one; a damaged one is refused."""
    packed = pack(make_model())
    (work / "tiny.packed").write_bytes(packed)
    found = parsed("inspect", "tiny.packed", "--json", "--extract", "out", cwd=work)
    assert {name: found[name] for name in INSPECTED} == INSPECTED
    assert found["packed_bytes"] == len(packed)
    assert sum(one["packed"] for one in found["buffers"]) == len(packed)
    assert sum(one["size"] for one in found["buffers"]) == len(make_model())
    assert (work / "out" / "model.tflite").read_bytes() == make_model()
    assert sum(found["packed_shares"].values()) == len(packed)
    told = bramble("inspect", "tiny.packed", cwd=work).stdout
    assert "the flatbuffer between them" in told
    assert re.search(r"layout: operators, shapes, names +\d+ +\d+%", told)
    (work / "tiny.packed").write_bytes(packed[:-9])
    failed(bramble("inspect", "tiny.packed", cwd=work), 2)


@pytest.mark.slow
def test_inspect_extracts_a_bundle(work: Path, failed: Failed) -> None:
    """--extract writes all files of a bundle plainly, the model of a packed one too; where it cannot, it says so."""
    bundle = make_bundle(work / "bundle")
    (bundle / "model.packed").write_bytes(pack(make_model()))
    zip_bundle(bundle, work / "bundle.zip")
    bramble("inspect", "bundle.zip", "--extract", "out", cwd=work)
    names = ["golden.npz", "labels.txt", "manifest.json", "model.tflite"]
    assert sorted(path.name for path in (work / "out").iterdir()) == names
    assert all((work / "out" / name).read_bytes() == (bundle / name).read_bytes() for name in names)
    assert "cannot write to" in failed(bramble("inspect", "bundle.zip", "--extract", "bundle.zip", cwd=work), 1)


@pytest.mark.parametrize("raw", [b"rubbish", make_model()[:200]])
def test_inspect_refuses_rubbish(work: Path, failed: Failed, raw: bytes) -> None:
    """A .tflite that is none exits with 6."""
    (work / "bad.tflite").write_bytes(raw)
    assert "TFLite model" in failed(bramble("inspect", "bad.tflite", cwd=work), 6)


@pytest.mark.parametrize("name", ["absent.tflite", "."])
def test_inspect_what_is_not_there(work: Path, failed: Failed, name: str) -> None:
    """Nothing at the path, or a folder without a bundle, exits with 2."""
    assert name in failed(bramble("inspect", name, cwd=work), 2)


def written(folder: Path, budget: Budget) -> dict[str, Any]:
    """The report of a build whose model has some hundred bytes and no score, written into ``folder``."""
    bundle = open_bundle(make_bundle(folder / "bundle", budget=budget))
    made = make_report(bundle, {}, None)
    write_report(folder, made)
    return made


@pytest.mark.parametrize(
    ("budget", "verdict", "code"),
    [
        (Budget(size_bytes=100_000), "pass", 0),
        (Budget(size_bytes=1), "missed", 3),
        (Budget(accuracy=0.9), "undecided", 4),
    ],
)
def test_check_is_the_verdict_as_an_exit_code(work: Path, budget: Budget, verdict: str, code: int) -> None:
    """Pass is 0, missed 3, undecided 4, by folder and by file, in a word and as JSON."""
    made = written(work / "run", budget)
    done = bramble("check", "run/report.json", "--json", cwd=work)
    assert (done.returncode, json.loads(done.stdout)) == (code, {"verdict": verdict, "budget": made["budget"]})
    limits = {name: limit for name, limit in asdict(budget).items() if limit is not None}
    assert {line["name"]: line["limit"] for line in made["budget"]} == limits


def test_check_says_one_word(work: Path) -> None:
    """Given a folder, the verdict is the only thing that is said."""
    written(work / "run", Budget())
    done = bramble("check", "run", cwd=work)
    assert (done.returncode, done.stdout, done.stderr) == (0, "pass\n", "")


@pytest.mark.slow
def test_report_is_shown_again_and_its_page_made_anew(work: Path) -> None:
    """A lost page comes back, the table is printed, and --json prints the report without touching anything."""
    made = written(work / "run", Budget(size_bytes=1))
    (work / "run" / "report.html").unlink()
    assert parsed("report", "run", "--json", cwd=work) == made
    assert not (work / "run" / "report.html").exists()
    done = bramble("report", "run", cwd=work)
    assert done.returncode == 0
    assert "✗ size" in done.stdout
    assert done.stdout.splitlines()[-1] == "report  run/report.html"
    assert "tiny-int8" in (work / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("verb", "text"), [("check", None), ("report", ""), ("report", '{"version": 1}'), ("check", "9")]
)
def test_what_is_no_report_exits_with_2(work: Path, failed: Failed, verb: str, text: str | None) -> None:
    """A missing, damaged, foreign or newer report is one message."""
    if text is not None:
        (work / "some.json").write_text(text)
    assert "some.json is not a report" in failed(bramble(verb, "some.json", cwd=work), 2)


@pytest.mark.slow
def test_a_copys_page_goes_beside_it(work: Path) -> None:
    """The page of another file than report.json has its name; the neighbouring report is left alone."""
    made = written(work / "run", Budget())
    (work / "run" / "old.json").write_text(json.dumps({**made, "recipe": "older"}))
    before = {path.name: path.read_bytes() for path in (work / "run").glob("report.*")}
    assert bramble("report", "run/old.json", cwd=work).stdout.endswith("report  run/old.html\n")
    assert {path.name: path.read_bytes() for path in (work / "run").glob("report.*")} == before


def test_nothing_is_cut_in_a_pipe(work: Path) -> None:
    """A bundle's digest is whole where no terminal is."""
    bundle = make_bundle(work / "bundle")
    assert bundle_digest(bundle) in bramble("inspect", "bundle", cwd=work).stdout


@pytest.mark.slow
def test_layers_of_a_run(runs: Path, work: Path) -> None:
    """The table of layers is in the report of a build: for people and as JSON, the digits model's weights by hand."""
    bramble("build", "digits-int8", "--set", ONE_EPOCH, cwd=work)
    (folder,) = (runs / "digits-int8").iterdir()
    found = parsed("report", folder, "--layers", "--json", cwd=work)
    assert [row["weights"] for row in found["rows"]] == [9 * 16, 9 * 16 * 32, 128 * 32, 32 * 10]
    assert found["total"]["flop"] == 2 * (64 * 9 * 16 + 16 * 9 * 16 * 32 + 128 * 32 + 32 * 10)
    said = bramble("report", folder, "--layers", cwd=work).stdout
    assert [line.split()[0] for line in said.splitlines()][-3:] == ["total", "act", "FLOP"]


def test_report_without_layers_says_so(work: Path, failed: Failed) -> None:
    """The report of a bundle from elsewhere has no table of layers; what to do is told."""
    written(work / "run", Budget())
    assert "no table of layers" in failed(bramble("report", "run", "--layers", cwd=work), 2)
