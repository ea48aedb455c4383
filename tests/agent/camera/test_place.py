"""Frames that serve several models."""

from __future__ import annotations

import itertools

import pytest

from bramble_agent.camera.place import alike, place, serving
from bramble_agent.wire import Pixels


def test_alike() -> None:
    """Size, colours and fit matter; what black and white become does not."""
    one = Pixels(96, 96, "rgb", 0.0, 1.0, "crop")
    assert alike(one, Pixels(96, 96, "rgb", -1.0, 1.0, "crop"))
    for other in (Pixels(96, 95), Pixels(95, 96), Pixels(96, 96, "gray"), Pixels(96, 96, "rgb", fit="pad")):
        assert not alike(one, other)


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ([Pixels(96, 96)], Pixels(96, 96)),
        ([Pixels(96, 96, "gray", -1.0, 1.0, "crop")], Pixels(96, 96, "gray", fit="crop")),
        ([Pixels(96, 96), Pixels(224, 224)], Pixels(224, 224)),
        ([Pixels(224, 224, fit="crop"), Pixels(96, 96, fit="crop")], Pixels(224, 224, fit="crop")),
        ([Pixels(28, 28, "gray"), Pixels(32, 32)], Pixels(32, 32)),
        ([Pixels(28, 28, "gray"), Pixels(32, 32, "gray")], Pixels(32, 32, "gray")),
        ([Pixels(96, 96), Pixels(96, 96, fit="crop")], Pixels(192, 192, fit="pad")),
        ([Pixels(96, 96), Pixels(120, 160)], Pixels(320, 320, fit="pad")),
    ],
)
def test_serving(wanted: list[Pixels], got: Pixels) -> None:
    """The larger of the same shape; else a square in which the whole field is large enough for all."""
    assert serving(wanted) == got


def test_a_whole_field_is_never_smaller_than_the_models() -> None:
    """Of a sensor of 4 : 3, 16 : 9 or upright, padded into that square."""
    models = [Pixels(96, 96), Pixels(120, 160, fit="crop"), Pixels(224, 128, fit="pad")]
    sensors = [(3280, 2464), (1920, 1080), (1080, 1920)]
    for pair, sensor in itertools.product(itertools.combinations(models, 2), sensors):
        width, height = place(*sensor, serving(pair)).size
        assert all(width >= one.width and height >= one.height for one in pair)
