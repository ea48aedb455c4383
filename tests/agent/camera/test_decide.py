"""Decisions against a slow reference: one label at a time, plain Python, written from the docstring's rules."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bramble_agent.camera.decide import Decider, Moment
from bramble_agent.camera.event import Box, Event
from bramble_agent.errors import BadRequest
from bramble_agent.wire_camera import Decide, Tuning

LABELS = ("cat", "dog", "cow")


def moment(frame: int, release: str = "r") -> Moment:
    """A frame's."""
    return Moment(frame, 12.5, release)


def told(decider: Decider, rows: list[list[float]]) -> list[tuple[int, str, str]]:
    """(frame, what, label) of all events for these scores."""
    events = [e for i, row in enumerate(rows) for e in decider.decide(np.array(row), {}, moment(i))]
    return [(event.frame, event.what, event.label) for event in events]


def reference(how: Decide, rows: list[list[float]]) -> set[tuple[int, str, str]]:
    """The rules, slowly."""
    found = set()
    for place, label in enumerate(LABELS):
        begin = how.thresholds.get(label, how.threshold)
        smoothed, seen, lasted = rows[0][place], False, 0
        for number, row in enumerate(rows):
            if number:
                smoothed = how.smooth * smoothed + (1 - how.smooth) * row[place]
            crosses = smoothed < how.release * begin if seen else smoothed >= begin
            lasted = lasted + 1 if crosses else 0
            if lasted == how.hold:
                seen, lasted = not seen, 0
                found.add((number, "seen" if seen else "gone", label))
    return found


SHARES = st.integers(0, 64).map(lambda n: n / 64)  # exact in binary, so that ties are ties in both
RULES = st.builds(
    Decide,
    threshold=SHARES,
    thresholds=st.dictionaries(st.sampled_from(LABELS), SHARES),
    release=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
    smooth=st.sampled_from([0.0, 0.25, 0.5]),
    hold=st.integers(1, 4),
)
ROWS = st.lists(st.lists(SHARES, min_size=3, max_size=3), min_size=1, max_size=16)


@settings(max_examples=300, deadline=None)
@given(RULES, ROWS)
def test_against_the_reference(how: Decide, rows: list[list[float]]) -> None:
    """The same events at the same frames, for any rules and scores."""
    got = told(Decider(LABELS, how, "run"), rows)
    assert set(got) == reference(how, rows)
    assert len(set(got)) == len(got)


@given(RULES, ROWS)
def test_seen_and_gone_take_turns(how: Decide, rows: list[list[float]]) -> None:
    """Per label: seen, gone, seen, gone …"""
    got = told(Decider(LABELS, how, "run"), rows)
    for label in LABELS:
        what = [event[1] for event in got if event[2] == label]
        assert what == ["seen", "gone"] * (len(what) // 2) + ["seen"] * (len(what) % 2)


def test_by_hand() -> None:
    """Threshold 0.5, release 0.8: seen from 0.5, still at 0.4, gone below."""
    rows = [[x, 0.0, 0.0] for x in (0.4, 0.5, 0.45, 0.4, 0.39, 0.49, 0.9)]
    assert told(Decider(LABELS, Decide(), "run"), rows) == [(1, "seen", "cat"), (4, "gone", "cat"), (6, "seen", "cat")]


def test_hold_bridges_what_flickers() -> None:
    """Three frames running are asked for, both ways."""
    rows = [[x, 0.0, 0.0] for x in (1, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0)]
    assert told(Decider(LABELS, Decide(hold=3), "run"), rows) == [(5, "seen", "cat"), (11, "gone", "cat")]


def test_what_an_event_tells() -> None:
    """Its id is run and number; time, frame, age, release, score and place are those of the frame."""
    decider = Decider(LABELS, Decide(), "abc", clock=lambda: 1000.25)
    box = Box(0.1, 0.2, 0.3, 0.4)
    (event,) = decider.decide(np.array([0.0, 0.75, 0.0]), {1: box}, moment(7))
    assert event == Event("abc-1", 1000.25, "seen", "dog", 0.75, 7, 12.5, "r", box)
    both = decider.decide(np.array([0.9, 0.0, 0.0]), {}, moment(8))
    assert [(e.id, e.what, e.label, e.box) for e in both] == [
        ("abc-2", "seen", "cat", None),
        ("abc-3", "gone", "dog", None),
    ]
    assert decider.events == 3


def test_thresholds_change_while_it_runs() -> None:
    """From the next frame on; what is left out stays."""
    decider = Decider(LABELS, Decide(smooth=0.25, thresholds={"dog": 0.9}), "run")
    row = np.array([0.4, 0.8, 0.0])
    assert not decider.decide(row, {}, moment(0))
    decider.tune(Tuning(threshold=0.3))
    assert [e.label for e in decider.decide(row, {}, moment(1))] == ["cat"]
    decider.tune(Tuning(thresholds={}))
    assert [e.label for e in decider.decide(row, {}, moment(2))] == ["dog"]
    assert decider.how == Decide(threshold=0.3, smooth=0.25)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (Decide(threshold=1.5), "threshold: 1.5"),
        (Decide(threshold=float("nan")), "threshold: nan"),
        (Decide(thresholds={"cat": -1.0}), "cat: -1"),
        (Decide(thresholds={"lion": 0.5}), "'lion', which is no label"),
        (Decide(release=2.0), "release: 2"),
        (Decide(smooth=1.0), "smooth: 1"),
        (Decide(smooth=float("nan")), "smooth: nan"),
        (Decide(hold=0), "hold: 0"),
        (Decide(hold=10**9), "hold: 1000000000"),
        (Decide(top=0), "top: 0"),
    ],
)
def test_rules_that_make_no_sense(how: Decide, said: str) -> None:
    """Refused at the start, and when they are changed; the old rules stay then."""
    with pytest.raises(BadRequest, match=said):
        Decider(LABELS, how, "run")
    decider = Decider(LABELS, Decide(), "run")
    changed = {name: value for name, value in vars(how).items() if value != getattr(Decide(), name)}
    with pytest.raises(BadRequest, match=said):
        decider.tune(dataclasses.replace(Tuning(), **changed))
    assert decider.how == Decide()


def test_another_release_keeps_what_is_seen_by_name() -> None:
    """Labels in another order, one gone, one new: cat stays seen, dog ends, and each goes on with its own score."""
    decider = Decider(LABELS, Decide(hold=2), "run")
    for number in range(2):
        decider.decide(np.array([0.9, 0.8, 0.7]), {}, moment(number))
    gone = decider.relabel(("cow", "bird", "cat"), moment(2))
    assert [(e.id, e.what, e.label, e.score) for e in gone] == [("run-4", "gone", "dog", 0.8)]
    rows = [decider.decide(np.array([0.9, 0.9, 0.0]), {}, moment(3 + i)) for i in range(2)]
    assert [[(e.what, e.label) for e in row] for row in rows] == [[], [("seen", "bird"), ("gone", "cat")]]


def test_labels_that_occur_twice_go_on_in_their_order() -> None:
    """ImageNet has two cranes."""
    decider = Decider(("crane", "crane"), Decide(), "run")
    decider.decide(np.array([0.0, 1.0]), {}, moment(0))
    assert not decider.relabel(("crane", "x", "crane"), moment(1))
    events = decider.decide(np.array([0.0, 0.0, 0.0]), {}, moment(1))
    assert [(e.what, e.label) for e in events] == [("gone", "crane")]


def test_a_release_without_a_label_that_has_a_threshold() -> None:
    """Is refused before the switch."""
    decider = Decider(LABELS, Decide(thresholds={"cow": 0.2}), "run")
    decider.check(("cow", "sheep"))
    with pytest.raises(BadRequest, match="'cow', which is no label"):
        decider.check(("cat", "dog"))


def test_a_threshold_of_a_label_that_goes() -> None:
    """It was set while two releases were compared: it goes with its label, the loop goes on."""
    decider = Decider(LABELS, Decide(), "run")
    decider.tune(Tuning(thresholds={LABELS[0]: 0.2, LABELS[1]: 0.3}))
    decider.relabel((LABELS[1], "sheep"), moment(1))
    assert decider.how.thresholds == {LABELS[1]: 0.3}
