"""The whole of a deployment on a board: push, golden answers, measurement, or one plain reason why not."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from bramble.bundle import load_bundle
from bramble.deploy import Measure, bring, deploy, measure
from bramble.errors import IncompatibleError, RolledBackError
from bramble.events import Event, Note, Sent
from bramble.fleet.connect import connect
from bramble.fleet.release.push import How, push
from bramble.fleet.types import Board, Connection
from bramble_agent.bundle import Bundle
from making import PICTURES, make_bundle, make_golden, make_model

QUICK = Measure("quick")
LOCALLY = pytest.mark.parametrize("board", ["local"], indirect=True)  # where the way there makes no difference


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_end_to_end(board: Board, tmp_path: Path, root: Path, kind: str) -> None:
    """A board says who it is, gives the golden answers to the last bit, and at least 64 samples."""
    bundle, told = load_bundle(make_bundle(tmp_path / "tiny", kind=kind)), list[Event]()
    result = deploy(bundle, board, QUICK, told.append)
    assert result.name == board.name
    assert result.facts.python == platform.python_version()
    assert result.verify.ok
    assert result.verify.checked == len(PICTURES)
    assert result.verify.max_lsb == (0 if kind == "int8" else None)
    assert result.verify.max_abs < 1e-4
    assert len(result.bench.samples_ns) >= 64
    assert result.bench.runtime == result.verify.runtime
    assert (root / "current").resolve().name == bundle.digest
    sent = [event for event in told if isinstance(event, Sent)]
    assert sent[-1].done == sent[-1].of > 0
    (note,) = [event.text for event in told if isinstance(event, Note)]
    assert f"{board.name}: release {bundle.digest[:12]} gives the golden answers and is current" in note
    assert f"({sent[-1].of:,} bytes sent)" in note


@pytest.mark.slow
def test_repeated(board: Board, bundle: Bundle) -> None:
    """What was pushed before is measured, and nothing is sent."""
    told: list[Event] = []
    with connect(board) as connection:
        push(connection, board, bundle)
    deploy(bundle, board, QUICK, told.append)
    (note,) = [event for event in told if isinstance(event, Note)]
    assert "(already there, nothing sent)" in note.text
    assert not [event for event in told if isinstance(event, Sent)]


@pytest.mark.slow
@LOCALLY
def test_measured_alone(board: Board, bundle: Bundle, root: Path) -> None:
    """Measuring does not make a release current."""
    told: list[Event] = []
    assert measure(bundle, board, QUICK, told.append).verify.ok
    assert not (root / "current").exists()
    (note,) = [event for event in told if isinstance(event, Note)]
    assert "gives the golden answers (" in note.text


def off(folder: Path) -> Bundle:
    """A bundle one of whose golden answers is five steps off."""
    golden = make_golden()
    golden["output_0"][2, 1] += 5
    return load_bundle(make_bundle(folder, arrays=golden))


@pytest.mark.slow
def test_answers_that_differ_are_a_result(board: Board, root: Path, tmp_path: Path) -> None:
    """Another answer than the bundle's is no error: it is measured, the result says so, and it is not made current."""
    told: list[Event] = []
    result = deploy(off(tmp_path / "off"), board, QUICK, told.append)
    assert not result.verify.ok
    assert (result.verify.max_lsb, result.verify.differing) == (5, 1)
    (note,) = [event for event in told if isinstance(event, Note)]
    assert note.warning
    assert "not made current" in note.text
    assert not (root / "current").exists()


@LOCALLY
def test_current_release_that_answers_no_longer(connection: Connection, board: Board, tmp_path: Path) -> None:
    """A release that is current and gives other answers today is told as that, with the way back."""
    bundle, told = off(tmp_path / "off"), list[Event]()
    pushed = push(connection, board, bundle)
    (Path(pushed.release).parents[1] / "current").symlink_to(pushed.release)
    bring(connection, board, bundle, How(), told.append)
    assert isinstance(told[-1], Note)
    assert "is current and does NOT give the golden answers: `bramble rollback`" in told[-1].text


@LOCALLY
def test_rolled_back(connection: Connection, board: Board, bundle: Bundle, tmp_path: Path) -> None:
    """A release that fails after the switch is an error of its own, exit code 7, that says what is current now."""
    failing = How(health=("sh", "-c", "echo no camera; exit 1"))
    with pytest.raises(RolledBackError, match=r"was rolled back: the health check 'sh' says 1: no camera") as caught:
        bring(connection, board, bundle, failing, lambda event: None)
    assert (caught.value.exit_code, caught.value.hint) == (7, "there was none before: no release is current")
    push(connection, board, bundle)
    other = load_bundle(make_bundle(tmp_path / "other", name="other"))
    with pytest.raises(RolledBackError) as caught:
        bring(connection, board, other, failing, lambda event: None)
    assert caught.value.hint == f"release {bundle.digest[:12]} is current again"


def test_operator_that_nobody_has(board: Board, tmp_path: Path) -> None:
    """A model that the board's runtime cannot run is incompatible, with the operator's and the board's names."""
    path = make_bundle(tmp_path / "odd", model=make_model(custom="Bramble_Odd"))
    with pytest.raises(IncompatibleError, match=f"^{board.name}: .*Bramble_Odd") as caught:
        deploy(load_bundle(path), board, QUICK, lambda event: None)
    assert caught.value.exit_code == 6
