"""The snapshot: rates on a clock that is made up, frozen, and through the wire and back."""

from __future__ import annotations

import dataclasses

import pytest

from bramble_agent.camera.stats import Stats
from bramble_agent.codec import decode, encode
from bramble_agent.wire_camera import CameraStatus

S = 10**9


class Clock:
    """A time that is set."""

    def __init__(self) -> None:
        """Zero."""
        self.ns = 0

    def __call__(self) -> int:
        """The time."""
        return self.ns


def test_rate_of_the_last_frames() -> None:
    """Ten a second, then twenty; the older ones are forgotten; none lately is no rate."""
    clock = Clock()
    stats = Stats("n", "r", "s", clock)
    assert stats.fps() is None
    for period in (S // 10, S // 20):
        for _ in range(100):
            clock.ns += period
            stats.predicted(clock.ns)
        assert stats.fps() == pytest.approx(S / period)
    clock.ns += 11 * S
    assert stats.fps() is None
    assert stats.frames == 200


def test_snapshot() -> None:
    """Counted until now; later counts do not change it; it is JSON and back."""
    clock = Clock()
    stats = Stats("n", "r", "s", clock)
    stats.captured = lambda: {"frames": 3}
    stats.skipped["still"] += 1
    clock.ns = 5 * S
    held = stats.snapshot()
    stats.skipped["still"] += 1
    assert (held.skipped["still"], held.seconds, held.captured) == (1, 5.0, {"frames": 3})
    assert decode(CameraStatus, encode(held)) == held
    with pytest.raises(dataclasses.FrozenInstanceError):
        held.frames = 1  # type: ignore[misc]
