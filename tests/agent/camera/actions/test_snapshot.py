"""Pictures of events: what is drawn, names, the ring, disks that are full."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from agent.camera.actions.making_events import PLENTY, event, made
from bramble_agent.camera.actions.snapshot import Snapshot
from bramble_agent.camera.budget import Budget
from bramble_agent.camera.draw import drawn
from bramble_agent.camera.event import Box
from bramble_agent.errors import ActionFailed, ActionRefused, BadRequest

GREY: NDArray[np.uint8] = np.full((120, 160, 3), 128, np.uint8)


def opened(folder: Path, options: str = "", budget: Budget = PLENTY) -> Snapshot:
    """An action that writes there."""
    action: Snapshot = made(f"snapshot:{folder}{options}", budget)
    action.open()
    return action


def names(folder: Path) -> list[str]:
    """What is in the folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_picture_with_its_box(tmp_path: Path) -> None:
    """A JPEG of the frame's size; the box is where the event says, and the picture that was given is as it was."""
    opened(tmp_path / "a" / "b").act(event(), GREY)
    assert names(tmp_path / "a" / "b") == ["00000001-person-f00d-1.jpg"]
    with Image.open(tmp_path / "a" / "b" / "00000001-person-f00d-1.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (160, 120))
        pixels = np.asarray(image).astype(int)
    assert (GREY == 128).all()
    assert (pixels[70, [39, 79], 0] > 150).all()  # its sides
    assert (abs(pixels[100:, :, :] - 128) < 12).all()


def test_exact_pixels() -> None:
    """The box's sides, before JPEG: left 0.25 of 160, top 0.25 of 120, down to 0.75, right to 0.5."""
    image = np.asarray(drawn(GREY, [("", Box(0.25, 0.25, 0.75, 0.5))]))
    yellow = (image == (255, 220, 0)).all(2)
    rows, columns = np.nonzero(yellow)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (29, 89, 39, 79)
    assert yellow[60].nonzero()[0].tolist() == [39, 79]


@pytest.mark.parametrize(
    "box", [Box(0.9, 0.9, 0.1, 0.1), Box(-5.0, -5.0, 9.0, 9.0), Box(*[float("nan")] * 4), Box(*[float("inf")] * 4)]
)
def test_boxes_that_make_no_sense(box: Box) -> None:
    """Are drawn somewhere in the picture; nothing breaks."""
    assert drawn(GREY, [("Straßenbahn 日本", box), ("x" * 500, None)]).size == (160, 120)


def test_plain(tmp_path: Path) -> None:
    """``plain=1``: nothing is drawn."""
    opened(tmp_path, "?plain=1").act(event(), GREY)
    with Image.open(tmp_path / "00000001-person-f00d-1.jpg") as image:
        assert (np.asarray(image) == 128).all()


def test_hostile_labels(tmp_path: Path) -> None:
    """A label is no path."""
    for number, label in enumerate(["../../etc/x", "", "a\0b", "ä" * 300, ".", "-"]):
        opened(tmp_path / "in").act(event(number, label=label), GREY)
    assert names(tmp_path) == ["in"]
    assert len(names(tmp_path / "in")) == 6
    assert names(tmp_path / "in")[0] == "00000001-______etc_x-f00d-0.jpg"
    assert len(opened(tmp_path / "in")._names()) == 6  # all are known again


def test_ring_by_count(tmp_path: Path) -> None:
    """The three newest stay, over a restart and with a file of somebody else's beside them."""
    (tmp_path / "holiday.jpg").write_text("mine")
    for number in range(1, 8):
        opened(tmp_path, "?keep=3").act(event(number), GREY)
    assert names(tmp_path) == [*(f"0000000{n}-person-f00d-{n}.jpg" for n in (5, 6, 7)), "holiday.jpg"]


def test_ring_by_bytes(tmp_path: Path) -> None:
    """As many as fit."""
    action = opened(tmp_path / "one")
    action.act(event(1), GREY)
    size = next((tmp_path / "one").iterdir()).stat().st_size
    action = opened(tmp_path / "ring", f"?keep_bytes={size * 4}")
    for number in range(1, 9):
        action.act(event(number), GREY)
    held = names(tmp_path / "ring")
    assert sum(path.stat().st_size for path in (tmp_path / "ring").iterdir()) <= size * 4
    assert 3 <= len(held) <= 4
    assert held[-1] == "00000008-person-f00d-8.jpg"


def test_the_same_event_again(tmp_path: Path) -> None:
    """At least once: told twice it is one picture."""
    action = opened(tmp_path)
    action.act(event(1), GREY)
    action.act(event(1), GREY)
    assert names(tmp_path) == ["00000001-person-f00d-1.jpg"]


def test_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: nothing is left of the picture; later it is written."""
    action = opened(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ActionFailed, match="No space left"):
            action.act(event(1), GREY)
    assert names(tmp_path) == []
    action.act(event(1), GREY)
    assert len(names(tmp_path)) == 1


def test_half_a_picture_of_a_killed_process(tmp_path: Path) -> None:
    """Is deleted at the next start."""
    (tmp_path / ".00000004-person-f00d-4.jpg").write_bytes(b"half")
    (tmp_path / ".hidden.jpg").write_bytes(b"mine")
    opened(tmp_path)
    assert names(tmp_path) == [".hidden.jpg"]


def test_no_picture_or_no_budget(tmp_path: Path) -> None:
    """Final: the event has no picture, or it may not be written today."""
    with pytest.raises(ActionRefused, match="no picture of frame 10"):
        opened(tmp_path).act(event(1), None)
    with pytest.raises(ActionRefused, match="budget"):
        opened(tmp_path, budget=Budget(1_000)).act(event(1), GREY)


def test_nowhere_to_write(tmp_path: Path) -> None:
    """Said at the start."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRequest, match="file"):
        opened(tmp_path / "file")
