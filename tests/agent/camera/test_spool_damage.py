"""What is cut, damaged, lost or killed costs at most what it says, and never the spool."""

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

from agent.camera.spooling import event, ids, spool, taken
from bramble_agent.camera.spool import Sizes
from looking import until

HERE = Path(__file__).parent


ROOT = HERE.parents[2]


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
