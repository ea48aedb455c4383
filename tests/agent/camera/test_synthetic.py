"""Computed frames: the same for everybody, every layout the same picture, and live by a clock of our own."""

from __future__ import annotations

import numpy as np
import pytest

from agent.camera.scripted import Clock
from bramble_agent.camera.convert import Converter
from bramble_agent.camera.frame import LAYOUTS, Format, Frame
from bramble_agent.camera.sources.open import source as opened
from bramble_agent.camera.sources.synthetic import RING, Plan, Synthetic
from bramble_agent.errors import CameraLost
from bramble_agent.wire import Pixels


def frames_of(plan: Plan, most: int = 20) -> list[Frame]:
    """The frames, copied."""
    source = Synthetic(plan)
    assert source.open() == plan.form
    found = []
    while len(found) < most:
        frame = source.read()
        if frame is None:
            break
        found.append(Frame(frame.number, frame.raw.copy(), frame.format, frame.taken_ns))
    source.close()
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_shows_the_same(layout: str) -> None:
    """A seed gives one picture: through the converter, each layout shows it but for its own rounding and losses."""
    how = Pixels(24, 32)
    truth = frames_of(Plan(Format(32, 24, "rgb"), frames=3, seed=5))
    for one, other in zip(truth, frames_of(Plan(Format(32, 24, layout), frames=3, seed=5)), strict=True):
        shown = Converter(how).pixels(other).astype(float)
        wanted = one.raw.reshape(24, 32, 3).astype(float)
        if layout == "gray":
            wanted = np.repeat(wanted @ [[66 / 256], [129 / 256], [25 / 256]] + 16, 3, axis=2)
        near = 2.0 if layout in ("rgb", "bgr", "gray") else 16.0  # noise in colour is halved with U and V
        assert np.abs(shown - wanted).mean() < near


def test_seeds() -> None:
    """The same seed gives the same frames, another one others; the square moves."""
    form = Format(16, 16, "rgb")
    first, again, other = (frames_of(Plan(form, frames=2 * RING, seed=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(one.raw, two.raw) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[0].raw, other[0].raw)
    assert len({one.raw.tobytes() for one in first}) == RING
    assert [one.number for one in first] == list(range(2 * RING))


def test_live_frames_come_at_their_time() -> None:
    """Frame n is due at (n + 1)/fps; a reader that was away misses some, and gets the newest at once."""
    clock = Clock()
    source = Synthetic(Plan(Format(8, 8, "gray"), fps=10), None, lambda: round(clock.now * 1e9), clock.wait)
    source.open()
    start = clock.now
    seen = []
    for away in (0, 0, 0.25, 0.31, 0):
        clock.wait(away)
        frame = source.read()
        assert frame is not None
        seen.append((frame.number, round(frame.taken_ns / 1e9 - start, 3), round(clock.now - start, 3)))
    assert seen == [(0, 0.1, 0.1), (1, 0.2, 0.2), (3, 0.4, 0.45), (6, 0.7, 0.76), (7, 0.8, 0.8)]


def test_an_end_and_a_new_beginning() -> None:
    """After ``frames`` comes the end; closed it gives nothing; opened again it begins anew."""
    source = Synthetic(Plan(Format(8, 8, "gray"), frames=1))
    for _ in range(2):
        source.open()
        assert source.read() is not None
        assert source.read() is None
        source.close()
        with pytest.raises(CameraLost):
            source.read()


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("synthetic:", [(8, 6), (32, 32), (16, 16)]),
        ("synthetic:?size=20x10", [(20, 10)] * 3),
        ("synthetic:?layout=nv12", [(8, 6), (32, 32), (16, 16)]),
    ],
)
def test_frames_for_others(text: str, sizes: list[tuple[int, int]]) -> None:
    """First for one model, then for two, then for the other; the numbers go on. A size that was asked for stays."""
    source = opened(text, Pixels(6, 8))
    source.open()
    got = []
    for number, wanted in enumerate([(), (Pixels(6, 8), Pixels(16, 16)), (Pixels(16, 16),)]):
        if wanted:
            source.want(wanted)
        frame = source.read()
        assert frame is not None
        assert frame.number == number
        assert Converter(Pixels(4, 4)).pixels(frame).shape == (4, 4, 3)
        got.append((frame.format.width, frame.format.height))
    assert got == sizes


def test_frames_that_cannot_be_made_otherwise() -> None:
    """A layout that needs even sizes stays as it is for a model of an odd one; a grey model gets grey frames."""
    source = opened("synthetic:?layout=nv12", Pixels(6, 8))
    source.open()
    source.want((Pixels(7, 7),))
    frame = source.read()
    assert frame is not None
    assert (frame.format.width, frame.format.layout) == (8, "nv12")
    source = opened("synthetic:", Pixels(6, 8))
    source.want((Pixels(5, 5, "gray"),))
    assert source.open() == Format(5, 5, "gray")
