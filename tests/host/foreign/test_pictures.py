"""Computed pictures for golden answers, and a person's own in folders named as labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bramble.errors import DataError
from bramble.events import Event, Note
from bramble.foreign.pictures import computed, how_many, labelled
from bramble_agent.wire import Pixels


def ignore(_: Event) -> None:
    """Nobody listens."""


@pytest.mark.parametrize("how", [Pixels(96, 96), Pixels(5, 7, "gray"), Pixels(300, 200), Pixels(2, 2)])
def test_computed(how: Pixels) -> None:
    """The same every time, all different, of the model's size; few where they are large."""
    pictures = computed(how)
    assert pictures.dtype == np.uint8
    assert pictures.shape == (how_many(how), how.height, how.width, 3 if how.color == "rgb" else 1)
    assert np.array_equal(pictures, computed(how))
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert float(np.ptp(pictures)) > 100


@pytest.mark.parametrize(("side", "count"), [(32, 16), (96, 16), (224, 6), (512, 4)])
def test_how_many(side: int, count: int) -> None:
    """16, or what a megabyte holds, and 4 at least."""
    assert how_many(Pixels(side, side)) == count


def test_labelled(tmp_path: Path) -> None:
    """Folders stand for labels in any case and order; a damaged picture is told, other files do not matter."""
    for name, level in (("Person/b.png", 200), ("person too/a.png", 1), ("nobody/deep/c.png", 30)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), level).save(path)
    (tmp_path / "nobody" / "d.jpg").write_bytes(b"no")
    (tmp_path / "nobody" / "notes.txt").write_text("none")
    (tmp_path / ".hidden").mkdir()
    told: list[Event] = []
    images = labelled(tmp_path, ("person too", "nobody", "person"), Pixels(2, 2, "gray"), told.append)
    assert [(int(n), int(p.ravel()[0])) for n, p in zip(images.labels, images.pixels, strict=True)] == [
        (2, 200),
        (1, 30),
        (0, 1),
    ]
    (note,) = told
    assert isinstance(note, Note)
    assert "d.jpg" in note.text


def test_no_pictures(tmp_path: Path) -> None:
    """No folder, none in it, or a folder that is no label."""
    with pytest.raises(DataError, match="there is no folder"):
        labelled(tmp_path / "none", ("a",), Pixels(2, 2), ignore)
    with pytest.raises(DataError, match="there is no picture"):
        labelled(tmp_path, ("a",), Pixels(2, 2), ignore)
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="the folder b is no label of the model") as caught:
        labelled(tmp_path, ("a",), Pixels(2, 2), ignore)
    assert caught.value.hint == "its labels: a"
