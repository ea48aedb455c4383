"""When a stream's frames were taken, by hand."""

from __future__ import annotations

from bramble_agent.camera.sources.arrival import HALF_WINDOW_NS, Arrival

S = 1_000_000_000


def test_delay_makes_a_frame_old() -> None:
    """The first frame is taken as undelayed; one that comes 0.3 s later than it should is 0.3 s old."""
    clock = Arrival()
    assert clock.taken_ns(0, 100 * S) == 100 * S
    assert clock.taken_ns(1 * S, 101 * S) == 101 * S
    assert 102_300_000_000 - clock.taken_ns(2 * S, 102_300_000_000) == 300_000_000


def test_a_shorter_way_is_believed_at_once() -> None:
    """Where the first frames were late, the first that is not shows it; no frame is from the future."""
    clock = Arrival()
    clock.taken_ns(0, 105 * S)
    assert clock.taken_ns(10 * S, 110 * S) == 110 * S
    assert clock.taken_ns(11 * S, 112 * S) == 111 * S


def test_clocks_that_drift() -> None:
    """A camera's clock that is slow by one in a thousand makes no frame older than the drift of a minute."""
    clock = Arrival()
    ages = []
    for second in range(3600):
        now = 1000 * S + second * 1_001_000_000
        ages.append(now - clock.taken_ns(second * S, now))
    assert max(ages) <= 0.062 * S
    assert min(ages) >= 0


def test_a_stream_that_begins_anew() -> None:
    """A jump back of the stream's own time is forgotten after a window; a frame without a place is from now."""
    clock = Arrival()
    clock.taken_ns(500 * S, 1000 * S)
    clock.taken_ns(0, 1001 * S)
    later = 1002 * S + 2 * HALF_WINDOW_NS
    clock.taken_ns(later - 1001 * S, later)
    end = later + HALF_WINDOW_NS
    assert clock.taken_ns(end - 1001 * S, end) == end
    assert clock.taken_ns(None, 7 * S) == 7 * S
