"""The spool: order, at least once over every kind of end, bounds and budget, and what is dropped by cause."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from agent.camera.spooling import PLENTY, SMALL, Clock, event, files, ids, spool, taken
from bramble_agent.camera.budget import Budget, synced
from bramble_agent.camera.segments import Segments
from bramble_agent.camera.spool import SETTLE_S, Sizes, Spool


def test_in_order_once(tmp_path: Path) -> None:
    """More events than the window and many files hold, taken while others come: each once, in order."""
    held = spool(tmp_path)
    chance, number, came = random.Random(1), 0, []  # noqa: S311
    for _ in range(100):
        for _ in range(chance.randrange(20)):
            assert held.put(event(number), None, 7)
            number += 1
        came += taken(held, chance.randrange(20))
        assert held.waiting == number - len(came)
    assert number > 500
    assert came + taken(held) == ids(*range(number))
    assert held.dropped == {}
    held.close()
    assert files(tmp_path) == []


def test_what_is_sent_at_once_never_reaches_the_disk(tmp_path: Path) -> None:
    """A broker that answers: hours of events, not one byte on the disk, and at most one file in RAM."""
    clock, budget = Clock(), Budget(PLENTY)
    held = spool(tmp_path, budget=budget, clock=clock)
    for number in range(400):
        held.put(event(number), None, 0)
        held.put(event(number), None, 0)
        assert len(taken(held, 2 if number else 1)) == (2 if number else 1)  # one is always under way
        held.settle()
        clock.now += 10.0
        assert len(files(tmp_path)) <= 2
    assert (budget.used, list((tmp_path / "disk").glob("*")) if (tmp_path / "disk").exists() else []) == (0, [])


def test_what_waits_goes_to_the_disk(tmp_path: Path) -> None:
    """After SETTLE_S, as whole files, with their cost; not before. The rest follows when it is as old."""
    clock, budget = Clock(), Budget(PLENTY)
    held = spool(tmp_path, budget=budget, clock=clock)
    for number in range(20):
        held.put(event(number), None, 0)
    held.settle()
    assert budget.used == 0
    clock.now += SETTLE_S
    before = [path.stat().st_size for path in sorted((tmp_path / "memory").glob("*.events"))]
    held.put(event(20), None, 0)
    held.settle()
    moved = sorted((tmp_path / "disk").glob("*.events"))
    assert [path.stat().st_size for path in moved][:-1] == before[:-1]
    assert budget.used == sum(synced(path.stat().st_size) for path in moved)
    assert taken(held) == ids(*range(21))


def test_first_is_not_done(tmp_path: Path) -> None:
    """What was being sent when the process ended is sent again."""
    held = spool(tmp_path)
    held.put(event(0), None, 0)
    assert held.first() is not None
    assert taken(spool(tmp_path)) == ids(0)


def test_closed_and_opened(tmp_path: Path) -> None:
    """An end in good order brings all to the disk; the next run goes on with it."""
    held = spool(tmp_path)
    for number in range(30):
        held.put(event(number), None, 0)
    taken(held, 2)
    held.close()
    assert all(name.startswith("disk/") for name in files(tmp_path))
    shutil.rmtree(tmp_path / "memory")  # a reboot
    assert taken(spool(tmp_path))[-28:] == ids(*range(2, 30))


def test_more_than_the_disk_may_hold(tmp_path: Path) -> None:
    """The oldest files go, each of their events counted; the newest events come."""
    held = spool(tmp_path, Sizes(most=5_000, memory=3_000, file=1_000, window=5))
    for number in range(100):
        held.put(event(number), None, 0)
        held.settle(now=number % 3 == 0)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.events")) == held.held_bytes <= 5_000
    dropped = held.dropped
    came = taken(held)
    assert dropped.keys() == {"full"}
    assert dropped["full"] + len(came) == 100
    assert came[:5] == ids(*range(5))  # they were in the window
    assert came[5:] == ids(*range(105 - len(came), 100))


def test_no_budget_left(tmp_path: Path) -> None:
    """Nothing more is written; events wait in RAM while there is room, then the oldest go. It is told."""
    budget = Budget(2 * synced(1_000))
    held = spool(tmp_path, Sizes(most=100_000, memory=3_000, file=1_000, window=5), budget)
    for number in range(60):
        held.put(event(number), None, 0)
        held.settle(now=number % 5 == 4)
    assert len(list((tmp_path / "disk").glob("*"))) == 2
    assert held.trouble == "the day's write budget is used up; events wait in RAM only"
    dropped = held.dropped
    assert dropped.keys() == {"budget"}
    assert dropped["budget"] + len(taken(held)) == 60


def test_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, no half file stays, events wait in RAM; when there is room again they go there, nothing is lost."""
    held = spool(tmp_path)
    for number in range(20):
        held.put(event(number), None, 0)
    real = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        real(path, data[:100])
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        for _ in range(10):
            held.settle(now=True)
    assert held._budget.used == 0  # what was not written is not counted
    assert "No space left on device; events wait in RAM only" in held.trouble
    assert list((tmp_path / "disk").glob("*")) == []
    held.settle(now=True)
    assert held.trouble == ""
    assert len(list((tmp_path / "disk").glob("*"))) > 3
    assert taken(held) == ids(*range(20))


def test_ram_takes_no_files(tmp_path: Path) -> None:
    """Events are sent all the same, from RAM; ``put`` says that they would not outlive the process."""
    (tmp_path / "memory").write_text("in the way")
    held = spool(tmp_path)
    assert [held.put(event(number), None, 0) for number in range(8)] == [False] * 8
    assert "events wait in RAM only" in held.trouble
    assert held.dropped == {"memory": 3}
    assert taken(held) == ids(*range(5))
    (tmp_path / "memory").unlink()
    assert held.put(event(9), None, 0)
    assert taken(held) == ids(9)


def test_what_no_file_took_is_lost_at_the_end(tmp_path: Path) -> None:
    """It is dropped and does not wait: the next run does not find it. What is in files waits."""
    held = spool(tmp_path)
    held.put(event(0), None, 0)
    held.close()
    (tmp_path / "memory").rename(tmp_path / "away")
    (tmp_path / "memory").write_text("in the way")
    held = spool(tmp_path)
    assert held.first() is not None
    for number in range(1, 4):
        assert not held.put(event(number), None, 0)
    assert (held.waiting, held.dropped) == (4, {})
    held.close()
    assert (held.waiting, held.dropped) == (1, {"end": 3})
    (tmp_path / "memory").unlink()
    assert taken(spool(tmp_path)) == ids(0)


def test_nothing_before_open(tmp_path: Path) -> None:
    """Making one touches no file."""
    Spool(Segments(tmp_path / "memory", tmp_path / "disk"), Budget(PLENTY), SMALL)
    assert list(tmp_path.iterdir()) == []
