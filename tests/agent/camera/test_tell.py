"""Lines: what they hold, and that a slow or absent reader holds nothing up."""

from __future__ import annotations

import dataclasses
import json
import threading
from typing import Any

from bramble_agent.camera.event import Box, Event, Prediction, Sight
from bramble_agent.camera.tell import WAITING, Teller, event_line, frame_line
from looking import until


def test_line_of_a_frame() -> None:
    """The best sight's label and score stand by themselves; boxes only where there are some."""
    told = Prediction(7, "r", (Sight("cat", 0.75, Box(0.1, 0.2, 0.3, 1 / 3)), Sight("dog", 0.5)), 1.0, 2.34567, 0.5)
    assert frame_line(told) == {
        "frame": 7,
        "age_ms": 2.346,
        "label": "cat",
        "score": 0.75,
        "infer_ms": 0.5,
        "sights": [
            {"label": "cat", "score": 0.75, "box": {"top": 0.1, "left": 0.2, "bottom": 0.3, "right": 0.333333}},
            {"label": "dog", "score": 0.5},
        ],
    }
    nothing = frame_line(Prediction(8, "r", (), 1.0, 2.0, 0.5))
    assert (nothing["label"], nothing["score"], nothing["sights"]) == (None, None, [])


def test_line_of_an_event() -> None:
    """All its fields, as JSON."""
    event = Event("run-1", 1.5, "seen", "cat", 0.9, 7, 2.0, "r", Box(0.0, 0.0, 1.0, 1.0))
    line = json.loads(json.dumps(event_line(event)))
    told = {**vars(event), "box": {"top": 0.0, "left": 0.0, "bottom": 1.0, "right": 1.0}}
    assert line == {"event": {name: value for name, value in told.items() if name != "picture"}}
    assert event_line(dataclasses.replace(event, picture="cat.jpg"))["event"]["picture"] == "cat.jpg"


def test_every_line_of_a_file_is_written_by_the_loop() -> None:
    """However slow the reader."""
    lines: list[Any] = []
    teller = Teller(lines.append, live=False)
    for number in range(3 * WAITING):
        teller(number)
    assert lines == list(range(3 * WAITING))
    teller.stop()


def test_a_slow_reader_loses_lines_of_a_live_source() -> None:
    """A thousand wait, the others are counted; what waits is written at the end."""
    gate, lines = threading.Event(), []

    def write(line: Any) -> None:
        gate.wait(20.0)
        lines.append(line)

    teller = Teller(write, live=True)
    teller("first")
    until(teller._queue.empty)
    for number in range(WAITING + 50):
        teller(number)
    assert teller.untold == 50
    gate.set()
    teller.stop()
    assert lines == ["first", *range(WAITING)]


def test_a_reader_that_went_away() -> None:
    """Costs lines, not the loop."""

    def write(line: Any) -> None:
        raise BrokenPipeError

    for live in (True, False):
        teller = Teller(write, live)
        teller("x")
        teller.stop()
        assert teller.untold == 1
