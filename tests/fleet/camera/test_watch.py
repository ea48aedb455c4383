"""A board's loop in the foreground, on this machine and over SSH: lines as they come, refusals, a clean end."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from bramble.errors import BoardBusyError, BrambleError, BundleError, CameraError, IncompatibleError, UsageError
from bramble.fleet.agent_zip import agent_zip
from bramble.fleet.camera.place import Place, look, need_release
from bramble.fleet.camera.request import on_board
from bramble.fleet.camera.swap import control
from bramble.fleet.camera.watch import supervise, watch
from bramble.fleet.types import Board, Connection
from bramble_agent.wire_camera import CameraAsk, ControlAsk, Decide
from fleet.camera.conftest import Pushes, looping
from making import LABELS, make_bundle


def asked(place: Place, **what: Any) -> CameraAsk:
    """A request for three computed frames, with changes."""
    return on_board(CameraAsk("", **{"source": "synthetic:?frames=3", **what}), place)


def never() -> bool:
    """It comes to its end by itself."""
    return False


def test_a_line_a_frame(connection: Connection, board: Board, place: Place) -> None:
    """Three frames, three lines with what was promised, and the answer; the whole agent was put there for it."""
    lines: list[dict[str, Any]] = []
    answer = watch(connection, board, asked(place), lines.append, never)
    assert [line["frame"] for line in lines] == [0, 1, 2]
    for line in lines:
        assert line["age_ms"] >= 0
        assert line["label"] in LABELS
        assert 0 <= line["score"] <= 1
    assert (answer.ended, answer.status.frames, answer.status.release) == ("end", 3, place.current)
    assert (Path(place.root) / "agents" / f"{agent_zip(camera=True).digest}.zip").exists()


def test_ended_by_a_wish(connection: Connection, board: Board, place: Place) -> None:
    """An endless source: after some lines we want no more, and get the answer."""
    lines: list[dict[str, Any]] = []
    request = asked(place, source="synthetic:?fps=50")
    answer = watch(connection, board, request, lines.append, lambda: len(lines) > 5)
    assert answer.ended == "stop"
    assert not (Path(place.root) / "camera" / "camera.sock").exists()


@pytest.mark.parametrize(
    ("what", "kind", "said", "hint"),
    [
        ({"source": "folder:/nowhere"}, CameraError, "/nowhere", ""),
        ({"source": "v4l2:/dev/video99"}, CameraError, "/dev/video99", ""),
        ({"source": "sinthetic:"}, UsageError, "'sinthetic'", "do you mean synthetic"),
        ({"actions": ("nosuch:1",)}, UsageError, "nosuch", ""),
        ({"decide": Decide(thresholds={"rihgt": 0.5})}, UsageError, "'rihgt', which is no label", "'right'"),
        ({"bundle": "/nowhere"}, BrambleError, "no bundle at /nowhere", ""),
    ],
)
def test_refusals(
    what: dict[str, Any],
    kind: type[BrambleError],
    said: str,
    hint: str,
    connection: Connection,
    board: Board,
    place: Place,
) -> None:
    """The agent's words, with the board's name and what to do."""
    request = dataclasses.replace(asked(place), **what)
    with pytest.raises(kind) as caught:
        watch(connection, board, request, lambda line: None, never)
    assert caught.value.message.startswith(f"{board.name}: ")
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.hint


def test_labels_that_do_not_match(connection: Connection, board: Board, place: Place, tmp_path: Path) -> None:
    """A release with two labels for three scores is refused before a frame is looked at."""
    odd = make_bundle(tmp_path / "odd", labels=b"left\nright\n")
    with pytest.raises(BundleError, match="2 names for 3 classes"):
        watch(connection, board, dataclasses.replace(asked(place), bundle=str(odd)), lambda line: None, never)


def test_a_source_of_this_machine(
    connection: Connection, board: Board, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies here and not on the board: told so. On this machine as a board it is found, and is empty."""
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CameraError if board.host else UsageError) as caught:
        watch(connection, board, asked(place, source="folder:pictures"), lambda line: None, never)
    assert ("it is on this machine" in caught.value.hint) == bool(board.host)


@pytest.mark.slow
def test_two_of_a_name(connection: Connection, board: Board, place: Place) -> None:
    """The second is refused, and told how to have both; under another name it runs beside the first."""
    with looping(board, place) as answers:
        with pytest.raises(BoardBusyError, match="called 'camera' runs already"):
            watch(connection, board, asked(place), lambda line: None, never)
        assert watch(connection, board, asked(place, name="door"), lambda line: None, never).status.frames == 3
        status = control(connection, board, ControlAsk(place.root))
        assert status.source == "synthetic:?fps=50"
        control(connection, board, ControlAsk(place.root, do="stop"))
    assert answers[0].ended == "stop"
    with pytest.raises(CameraError, match="no camera loop called 'camera'"):
        control(connection, board, ControlAsk(place.root))


def test_no_release(connection: Connection, board: Board) -> None:
    """What to push is said, and how."""
    with pytest.raises(UsageError, match="no current release") as caught:
        need_release(look(connection, board), board)
    assert caught.value.hint == f"push one first: bramble push BUNDLE {board.name}"


def test_supervised(connection: Connection, board: Board, place: Place) -> None:
    """Its lines come through, and a wish ends both the supervisor and the loop."""
    lines: list[dict[str, Any]] = []
    request = asked(place, source="synthetic:?fps=50")
    supervise(connection, board, request, lines.append, lambda: len(lines) > 3)
    assert "frame" in lines[0]
    assert not (Path(place.root) / "camera" / "camera.sock").exists()


def test_no_python(connection: Connection, board: Board) -> None:
    """Told before anything is tried."""
    with pytest.raises(IncompatibleError, match="no Python at 'nosuch'"):
        look(connection, dataclasses.replace(board, python="nosuch"))


def test_place(connection: Connection, board: Board, place: Place, pushed: Pushes) -> None:
    """Absolute paths, both links, who we are."""
    before = place.current
    place_now = (pushed("two"), look(connection, board))
    assert (place_now[1].current, place_now[1].previous) == (place_now[0], before)
    assert Path(place.root).is_dir()
    assert Path(place.start).is_absolute()
    assert Path(place.python).is_absolute()
