"""``bramble inspect --layers`` from end to end, and each thing that it may lack as one message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from running import Run, bramble

from .conftest import Failed, run


@pytest.fixture
def folder(runs: Path, one_epoch: Run) -> Path:
    """The run's folder in ./runs."""
    return runs / one_epoch.built.folder.relative_to(one_epoch.runs)


@pytest.mark.slow
def test_a_run_is_examined_by_its_own_data(work: Path, folder: Path) -> None:
    """Rows by the layers' names in Keras, shares and decibels as JSON; nothing else on stdout."""
    facts = json.loads(run("inspect", folder, "--layers", "--json", cwd=work))
    rows = {row["name"]: row for row in facts["layers"]}
    assert {"input", "conv2d", "conv2d_1", "dense", "dense_1"} <= set(rows)
    assert facts["pictures"] == 142  # a tenth of the digits' training pictures
    assert 0.95 < facts["agreement"] <= 1.0
    assert rows["conv2d"]["weights"]["count"] == 9 * 16
    assert 30 < rows["conv2d"]["weights"]["db"] < 60
    assert rows["input"]["range"] == pytest.approx([0.0, 1.0])
    assert rows["dense_1"]["agreement"] == facts["agreement"] or not facts["repairs"]
    assert facts["advice"]


@pytest.mark.slow
def test_a_run_for_people(work: Path, folder: Path) -> None:
    """The table has a line a layer and ends with what to do."""
    said = run("inspect", folder / "bundle.zip", "--layers", cwd=work)
    assert "predictions are the float model's" in said
    assert [line for line in said.splitlines() if line.split()[:1] == ["conv2d_1"]]
    assert said.splitlines()[-1].startswith(" → ")


def test_audit_is_a_line_of_inspect(work: Path, folder: Path) -> None:
    """The bundle carries what its audit found."""
    facts = json.loads(run("inspect", folder, "--json", cwd=work))
    assert facts["audit"].startswith("int8 passed; ")
    assert "4 kernels to the bit" in facts["audit"]
    report = json.loads((folder / "report.json").read_text()) if (folder / "report.json").exists() else None
    assert report is None or report["audit"]["kernels"] == 4


@pytest.mark.slow
def test_what_is_missing_is_one_message(work: Path, folder: Path, failed: Failed) -> None:
    """A bare .tflite has no float model beside it."""
    model = folder / "bundle" / "model.tflite"
    assert "--float FILE.keras" in failed(bramble("inspect", model, "--layers", cwd=work), 2)
