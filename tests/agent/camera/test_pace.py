"""A steady rate on a clock that is made up, and every n-th frame by numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bramble_agent.camera.pace import Every, Pace

MS = 1_000_000


def taken(fps: float, work_ms: list[int]) -> list[int]:
    """When frames are taken, in ms, if each one's work takes so long."""
    pace, now, times = Pace(fps), 1_000 * MS, []
    for work in work_ms:
        now += pace.wait_ns(now)
        pace.took(now)
        times.append((now - 1_000 * MS) // MS)
        now += work * MS
    return times


def test_work_does_not_shift_the_grid() -> None:
    """100 frames at 10 fps with work of 1 to 99 ms: every one is on the grid, none is left out."""
    assert taken(10.0, [1 + (37 * i) % 99 for i in range(100)]) == [100 * i for i in range(100)]


def test_no_burst_after_a_late_frame() -> None:
    """Work of 350 ms at 10 fps: the next frame is taken at once, those after it on the grid again."""
    assert taken(10.0, [0, 350, 0, 0, 0]) == [0, 100, 450, 500, 600]


def test_overload_takes_one_frame_after_the_other() -> None:
    """Work that always takes longer than a period: as fast as it goes."""
    assert taken(10.0, [150] * 4) == [0, 150, 300, 450]


@given(st.lists(st.integers(0, 500), min_size=2, max_size=60))
def test_never_faster_than_the_rate(work_ms: list[int]) -> None:
    """Never two frames in one slot of the grid, whatever the work takes."""
    slots = [time // 100 for time in taken(10.0, work_ms)]
    assert len(set(slots)) == len(slots)


def test_every_third() -> None:
    """Of all frames every third, the first among them, whatever number it has."""
    every = Every(3)
    assert [n for n in range(5, 15) if every.takes(n)] == [5, 8, 11, 14]


def test_every_third_of_frames_with_gaps() -> None:
    """Where frames were dropped on the way, the next of a group stands for it: one a group of three."""
    every = Every(3)
    assert [n for n in (0, 4, 5, 6, 12, 13, 14, 15, 30) if every.takes(n)] == [0, 4, 6, 12, 15, 30]


def test_every_one_takes_all() -> None:
    """No option, no skipping; also where a source that was opened again counts from 0."""
    every = Every(1)
    assert all(every.takes(n) for n in (0, 1, 2, 7, 0, 1))
