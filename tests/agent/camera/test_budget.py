"""The write budget: what is counted, the day, and what outlives the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from bramble_agent.camera.budget import Budget, synced


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float = 1_000.0) -> None:
        """Seconds."""
        self.now = now

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.mark.parametrize(("size", "written"), [(0, 8_192), (1, 12_288), (4_096, 12_288), (4_097, 16_384)])
def test_what_a_card_writes(size: int, written: int) -> None:
    """Whole blocks of 4 KiB, and two for the file system."""
    assert synced(size) == written


def test_a_day_has_so_many_bytes() -> None:
    """What does not fit is not counted; the next day begins 24 hours after the first, and empty."""
    clock = Clock()
    budget = Budget(1_000, clock=clock)
    assert [budget.spend(size) for size in (600, 500, 400, 1)] == [True, False, True, False]
    clock.now += 86_399.0
    assert (budget.used, budget.spend(1)) == (1_000, False)
    clock.now += 1.0
    assert (budget.used, budget.spend(1_000)) == (0, True)


def test_spare() -> None:
    """A sixteenth may be used at once; after half a day nine sixteenths in all."""
    clock = Clock()
    budget = Budget(1_600, clock=clock)
    assert [budget.spare(100), budget.spare(1)] == [True, False]
    clock.now += 43_200.0
    assert [budget.spare(800), budget.spare(1), budget.spend(1)] == [True, False, True]


def test_outlives_the_process(tmp_path: Path) -> None:
    """A process that starts over and over has one budget; after a reboot (the clock begins anew) there is a new one."""
    clock = Clock()
    assert Budget(1_000, tmp_path / "b", clock).spend(900)
    assert not Budget(1_000, tmp_path / "b", clock).spend(200)
    assert Budget(1_000, tmp_path / "b", Clock(5.0)).spend(200)


@pytest.mark.parametrize("held", [b"", b"{", b"[]", b'{"begin_s":"x","used_bytes":1}', b"\xff\xfe", b'{"begin_s":1}'])
def test_a_damaged_count(held: bytes, tmp_path: Path) -> None:
    """Counts as none."""
    (tmp_path / "b").write_bytes(held)
    assert Budget(1_000, tmp_path / "b").used == 0


def test_nowhere_to_keep_the_count(tmp_path: Path) -> None:
    """This process knows all the same."""
    budget = Budget(10, tmp_path / "none" / "b")
    assert [budget.spend(6), budget.spend(6)] == [True, False]
