"""What is said of killed loops, by hand: lost events, events told twice, how long until the next one."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from bramble_agent.camera.event import Event
from bramble_agent.camera.tell import event_line
from bramble_agent.wire import WIRE_VERSION
from bramble_agent.wire_camera import Decide

EVENT = Event("ab12-7", 1.5, "seen", "person", 0.5, 3, 1.0, "abc")
LABELS = ("nobody", "person")


def settle(camera: SimpleNamespace, told: str, **sinks: str) -> Any:
    """An account of ids with spaces in between."""
    return camera.ids.account(told.split(), {name: ids.split() for name, ids in sinks.items()})


def test_all_came(camera: SimpleNamespace) -> None:
    """Two runs, one event twice."""
    found = settle(camera, "a-1 a-2 b-1", mqtt="a-1 a-2 a-2 b-1", file="a-1 a-2 b-1")
    assert (found.runs, found.events, found.lost) == (2, 3, {"mqtt": [], "file": []})
    assert (found.again, found.unacknowledged) == ({"mqtt": 1, "file": 0}, 0)


def test_one_that_was_told_of_is_lost(camera: SimpleNamespace) -> None:
    """Also where it was the run's last, and nobody ever got it."""
    assert settle(camera, "a-1 a-2", mqtt="a-1").lost == {"mqtt": ["a-2"]}


def test_a_hole_is_a_loss(camera: SimpleNamespace) -> None:
    """An event that nobody saw, known by the next one of its run."""
    found = settle(camera, "", mqtt="a-3", file="a-3")
    assert found.lost == {"mqtt": ["a-1", "a-2"], "file": ["a-1", "a-2"]}
    assert found.events == 3


def test_one_action_only(camera: SimpleNamespace) -> None:
    """The last of a run, which was not told of: the loop was killed on its way from action to action. Else a loss."""
    found = settle(camera, "a-1", mqtt="a-1 a-2", file="a-1")
    assert (found.lost, found.unacknowledged, found.events) == ({"mqtt": [], "file": []}, 1, 1)
    assert settle(camera, "a-1 a-3", mqtt="a-1 a-2 a-3", file="a-1 a-3").lost == {"mqtt": [], "file": ["a-2"]}
    assert settle(camera, "a-1 a-2", mqtt="a-1 a-2", file="a-1").lost == {"mqtt": [], "file": ["a-2"]}


def test_ids_of_lines(camera: SimpleNamespace) -> None:
    """An event's line as the loop writes it, behind the half of one that a killed loop began; not of other lines."""
    line = json.dumps({"version": WIRE_VERSION, "line": event_line(EVENT)}).encode() + b"\n"
    assert camera.ids.told_id(line) == "ab12-7"
    assert camera.ids.told_id(line[:60] + line) == "ab12-7"
    assert camera.ids.told_id(line[:-1]) == ""
    assert camera.ids.told_id(line[20:]) == ""
    other = json.dumps({"version": WIRE_VERSION, "line": {"note": "it hung"}}).encode() + b"\n"
    assert camera.ids.told_id(other) == ""
    assert camera.ids.told_id(line[:60] + other) == ""


def test_recoveries(camera: SimpleNamespace) -> None:
    """Killed at 10, 20 and 21 s: back after 1.5 s, not before the next kill, after 3 s. A run's first event counts."""
    told = [(9.0, "a-1"), (11.5, "b-1"), (12.0, "b-2"), (24.0, "c-1")]
    assert camera.faults.recoveries([10.0, 20.0, 21.0], told) == [1.5, 3.0]


def test_thresholds_between_scores(camera: SimpleNamespace) -> None:
    """In the middle of the widest gap; the frames then make four events each time they come round."""
    scores = [[0.9, 0.1], [0.5, 0.5], [0.9, 0.1], [0.8, 0.2]]
    how = camera.faults.between(scores, LABELS)
    assert how == Decide(thresholds={"nobody": pytest.approx(0.65), "person": pytest.approx(0.35)}, release=1.0)
    assert camera.faults.events_a_round(scores, LABELS, how) == 4


def test_frames_that_make_no_events(camera: SimpleNamespace) -> None:
    """Said, not waited for."""
    scores = [[0.5, 0.5]] * 4
    with pytest.raises(SystemExit, match="no events"):
        camera.faults.events_a_round(scores, LABELS, camera.faults.between(scores, LABELS))


def test_figured(camera: SimpleNamespace) -> None:
    """Minutes where they are."""
    assert [camera.faults.figured(seconds) for seconds in (20.0, 600.0)] == ["20 s", "10 min"]
