"""The spool: order, at least once over every kind of end, bounds and budget, and what is dropped by cause."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.camera.spooling import PLENTY, SMALL, Clock, event, spool, taken
from bramble_agent.camera.budget import Budget, synced
from bramble_agent.camera.segments import Segments
from bramble_agent.camera.spool import SETTLE_S, Sizes, Spool
from looking import until

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def ids(*numbers: int) -> list[str]:
    """The ids of these events."""
    return [f"run-{number}" for number in numbers]


def files(folder: Path) -> list[str]:
    """The files of events, in RAM and on the disk."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.events"))


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


def test_power_cut(tmp_path: Path) -> None:
    """RAM is gone: what was on the disk comes, from its first file that was not all done."""
    held = spool(tmp_path)
    for number in range(40):
        held.put(event(number), None, 0)
    held.settle(now=True)
    done = taken(held, 13)
    for number in range(40, 50):
        held.put(event(number), None, 0)
    shutil.rmtree(tmp_path / "memory")
    came = taken(spool(tmp_path))
    assert came[-1] == "run-39"
    assert came == ids(*range(40 - len(came), 40))
    assert set(done) | set(came) == set(ids(*range(40)))
    assert len(came) <= 27 + 5


def test_killed(tmp_path: Path) -> None:
    """The process is gone and RAM is not: all that was not done comes, and nothing else."""
    held = spool(tmp_path)
    for number in range(40):
        held.put(event(number), None, 0)
    taken(held, 13)
    again = spool(tmp_path)
    assert again.waiting == 27
    again.put(event(40), None, 0)
    assert taken(again) == ids(*range(13, 41))


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


def test_every_file_cut_at_every_byte(tmp_path: Path) -> None:
    """The last file ends anywhere: every whole line of it comes, after all of the files before."""
    held = spool(tmp_path, Sizes(file=500, window=3))
    for number in range(4):
        held.put(event(number), None, 0)
    last = sorted((tmp_path / "memory").glob("*.events"))[-1]
    data, first = last.read_bytes(), int(last.stem)
    for end in range(len(data) + 1):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(tmp_path / "memory", copy / "memory")
        (copy / "memory" / last.name).write_bytes(data[:end])
        again = spool(copy)
        whole = first + data[:end].count(b"\n")
        assert again.waiting == whole
        again.put(event(99), None, 0)
        assert taken(again) == [*ids(*range(whole)), "run-99"], end


def test_note_cut_or_damaged_at_every_byte(tmp_path: Path) -> None:
    """The note of what is done: a damaged one means events told twice, never one that is lost."""
    held = spool(tmp_path)
    for number in range(30):
        held.put(event(number), None, 0)
    taken(held, 7)
    note = (tmp_path / "memory" / "done").read_bytes()
    assert len(note) == 60
    cuts = [note[:end] for end in range(60)]
    flips = [note[:place] + bytes([note[place] ^ 0x01]) + note[place + 1 :] for place in range(60)]
    for broken in cuts + flips:
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(tmp_path / "memory", copy / "memory")
        (copy / "memory" / "done").write_bytes(broken)
        came = taken(spool(copy))
        assert came == ids(*range(30 - len(came), 30))
        assert len(came) >= 23


def test_half_done_moves(tmp_path: Path) -> None:
    """A copy that was not finished is not used; one that was is used once."""
    held = spool(tmp_path)
    for number in range(20):
        held.put(event(number), None, 0)
    first, second = sorted((tmp_path / "memory").glob("*.events"))[:2]
    (tmp_path / "disk").mkdir()
    shutil.copy(first, tmp_path / "disk")
    (tmp_path / "disk" / f"{second.name}.part").write_bytes(second.read_bytes()[:50])
    assert taken(spool(tmp_path)) == ids(*range(20))
    assert list((tmp_path / "disk").glob("*")) == []


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
        held.settle(now=True)
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


def test_damaged_file(tmp_path: Path) -> None:
    """Bits that fell over on the disk cost the events they were in, and these are counted."""
    held = spool(tmp_path)
    for number in range(20):
        held.put(event(number), None, 0)
    held.close()
    path = sorted((tmp_path / "disk").glob("*.events"))[1]
    data = bytearray(path.read_bytes())
    data[30] ^= 0x10
    path.write_bytes(bytes(data))
    again = spool(tmp_path)
    lost = int(path.stem)
    assert taken(again) == ids(*(number for number in range(20) if number != lost))
    assert again.dropped == {"damaged": 1}


def test_files_that_vanish(tmp_path: Path) -> None:
    """Somebody clears the folders: what was in them is counted, and the loop goes on."""
    held = spool(tmp_path)
    for number in range(20):
        held.put(event(number), None, 0)
    for path in tmp_path.rglob("*.events"):
        path.unlink()
    held.settle(now=True)
    came = taken(held)
    assert came == ids(*range(5))
    assert held.dropped == {"damaged": 15}
    held.put(event(20), None, 0)
    assert taken(held) == ids(20)


def test_strangers_in_the_folder(tmp_path: Path) -> None:
    """Files that are none of ours are no events."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "notes.txt").write_text("mine")
    (tmp_path / "disk" / "00000000000000000009.events").write_bytes(os.urandom(500))
    held = spool(tmp_path)
    held.put(event(1), None, 0)
    assert taken(held) == ids(1)
    assert (tmp_path / "disk" / "notes.txt").read_text() == "mine"


def random_life(folder: Path, chance: random.Random) -> None:
    """A spool's life in steps, killed (let go of without closing) or cut from power between any two of them."""
    number, done, on_disk = 0, set[str](), set[str]()
    for _ in range(8):
        held = spool(folder)
        for _ in range(chance.randrange(30)):
            step = chance.random()
            if step < 0.6:
                held.put(event(number), None, 0)
                number += 1
            elif step < 0.9:
                done.update(taken(held, 1))
            else:
                held.settle(now=True)
                on_disk = set(ids(*range(number)))
        if chance.random() < 0.3:
            shutil.rmtree(folder / "memory", ignore_errors=True)
            done.update(set(ids(*range(number))) - on_disk)  # what a power cut may take
    done.update(taken(spool(folder)))
    assert done == set(ids(*range(number)))


def test_random_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty of them: everything that was promised comes."""
    monkeypatch.setattr(os, "fsync", id)
    for seed in range(20):
        random_life(tmp_path / str(seed), random.Random(seed))  # noqa: S311


def rounds(folder: Path, count: int, seed: int) -> tuple[int, int, int]:
    """Kill a real process ``count`` times at random moments; events acknowledged, told again, and lost."""
    chance = random.Random(seed)  # noqa: S311
    put, done, twice = set[str](), set[str](), 0
    run = [sys.executable, "-S", str(HERE / "spooling.py"), str(folder)]
    path = os.pathsep.join([str(ROOT / "device"), str(ROOT / "tests"), str(HERE)])
    for number in range(count):
        with (folder.parent / "said").open("wb") as said:
            process = subprocess.Popen([*run, f"r{number}"], stdout=said, env={**os.environ, "PYTHONPATH": path})
            until(lambda: os.fstat(said.fileno()).st_size > 0)
            try:
                process.wait(chance.random() * 0.05)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        for line in (folder.parent / "said").read_text().splitlines():
            sign, name = line[0], line[1:]
            twice += sign == "-" and name in done
            (put if sign == "+" else done).add(name)
    left = spool(folder)
    assert left.dropped == {}
    done.update(taken(left))
    return len(put), twice, len(put - done)


def test_a_real_process_killed(tmp_path: Path) -> None:
    """A few times; the slow test does it 500 times."""
    put, twice, lost = rounds(tmp_path / "spool", 8, 3)
    assert lost == 0
    assert put > 50
    assert twice <= 8


@pytest.mark.slow
def test_a_real_process_killed_500_times(tmp_path: Path) -> None:
    """No event that was acknowledged to the loop is lost; at most the one under way is told twice."""
    put, twice, lost = rounds(tmp_path / "spool", 500, 4)
    assert lost == 0
    assert put > 5_000
    assert twice <= 500


@pytest.mark.parametrize("seed", range(20))
def test_hostile_files(seed: int, tmp_path: Path) -> None:
    """Random bytes, random changes in real files, in any place: the spool opens, and what comes is an event."""
    chance = random.Random(seed)  # noqa: S311
    held = spool(tmp_path)
    for number in range(30):
        held.put(event(number), None, 0)
    held.settle(now=True)
    taken(held, 3)
    for path in itertools.chain(tmp_path.rglob("*.events"), [tmp_path / "memory" / "done"]):
        data = bytearray(path.read_bytes())
        for _ in range(chance.randrange(4)):
            place, length = chance.randrange(len(data)), chance.randrange(40)
            data[place : place + length] = chance.randbytes(chance.randrange(40))
        path.write_bytes(bytes(data))
    again = spool(tmp_path)
    came = taken(again)
    assert set(came) <= set(ids(*range(30)))
    assert again.waiting == 0
    again.put(event(50), None, 0)
    assert taken(again) == ids(50)


def test_nothing_before_open(tmp_path: Path) -> None:
    """Making one touches no file."""
    Spool(Segments(tmp_path / "memory", tmp_path / "disk"), Budget(PLENTY), SMALL)
    assert list(tmp_path.iterdir()) == []
