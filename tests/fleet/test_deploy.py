"""The whole of a deployment on a board: push, golden answers, measurement, or one plain reason why not."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from bramble.bundle import load_bundle
from bramble.deploy import Measure, deploy
from bramble.errors import IncompatibleError
from bramble.events import Event, Note
from bramble.fleet.connect import connect
from bramble.fleet.push import push
from bramble.fleet.types import Board
from bramble_agent.bundle import Bundle
from making import PICTURES, make_bundle, make_golden, make_model

QUICK = Measure("quick")


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_end_to_end(board: Board, tmp_path: Path, root: Path, kind: str) -> None:
    """A board says who it is, gives the golden answers to the last bit, and at least 64 samples."""
    path = make_bundle(tmp_path / "tiny", kind=kind)
    bundle, told = load_bundle(path), list[Event]()
    result = deploy(bundle, path, board, QUICK, told.append)
    assert result.name == board.name
    assert result.facts.python == platform.python_version()
    assert result.verify.ok
    assert result.verify.checked == len(PICTURES)
    assert result.verify.max_lsb == (0 if kind == "int8" else None)
    assert result.verify.max_abs < 1e-4
    assert len(result.bench.samples_ns) >= 64
    assert result.bench.runtime == result.verify.runtime
    assert (root / "current").resolve().name == bundle.digest
    notes = [event.text for event in told if isinstance(event, Note)]
    assert len(notes) == 2
    assert f"{board.name}: release {bundle.digest[:12]} is current" in notes[0]
    assert "golden answers agree" in notes[1]


def test_repeated(board: Board, bundle: Bundle, bundle_path: Path) -> None:
    """What was pushed before is measured, and nothing is sent."""
    told: list[Event] = []
    with connect(board) as connection:
        push(connection, board, bundle, bundle_path)
    deploy(bundle, bundle_path, board, QUICK, told.append)
    assert isinstance(told[0], Note)
    assert "nothing sent" in told[0].text


def test_answers_that_differ_are_a_result(board: Board, tmp_path: Path) -> None:
    """A board that gives another answer than the bundle's is no error: it is measured, and the result says so."""
    golden = make_golden()
    golden["output_0"][2, 1] += 5
    path = make_bundle(tmp_path / "off", arrays=golden)
    told: list[Event] = []
    result = deploy(load_bundle(path), path, board, QUICK, told.append)
    assert not result.verify.ok
    assert (result.verify.max_lsb, result.verify.differing) == (5, 1)
    assert isinstance(told[1], Note)
    assert "DIFFER" in told[1].text


def test_operator_that_nobody_has(board: Board, tmp_path: Path) -> None:
    """A model that the board's runtime cannot run is incompatible, with the operator's and the board's names."""
    path = make_bundle(tmp_path / "odd", model=make_model(custom="Bramble_Odd"))
    with pytest.raises(IncompatibleError, match=f"^{board.name}: .*Bramble_Odd") as caught:
        deploy(load_bundle(path), path, board, QUICK, lambda event: None)
    assert caught.value.exit_code == 6
