"""The lease of a board: one holder at a time, named to those who come later; gone with its process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bramble_agent import lease
from bramble_agent.codec import encode
from bramble_agent.errors import Busy, StorageFailed
from bramble_agent.lease import leased
from bramble_agent.wire import WIRE_VERSION, BenchAsk
from making import make_bundle

DEVICE = Path(__file__).parents[2] / "device"
HOLD = """
import sys, time
from pathlib import Path
from bramble_agent.lease import leased
with leased(Path(sys.argv[1]), "ana@desk", 0.0):
    print("held", flush=True)
    time.sleep(60)
"""


def holding(root: Path) -> subprocess.Popen[str]:
    """A process that has the lease."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root)],
        env={**os.environ, "PYTHONPATH": str(DEVICE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_file_says_who(tmp_path: Path) -> None:
    """While the lease is held the file holds who, which process and since when; afterwards nothing."""
    root = tmp_path / "board"
    with leased(root, "ana@desk", 0.0):
        held = json.loads((root / "bench.lock").read_text())
        assert (held["who"], held["pid"]) == ("ana@desk", os.getpid())
        assert abs(held["since_s"] - time.time()) < 60
    assert (root / "bench.lock").read_text() == ""


def test_second_is_refused_with_the_name(tmp_path: Path) -> None:
    """Who comes second is told who is there, in the same process too; another root is another board."""
    with leased(tmp_path, "ana@desk", 0.0):
        with pytest.raises(Busy, match=r"^ana@desk, for \d+ s now, benches there$") as caught, leased(tmp_path, "b", 0):
            pytest.fail("two had it")
        assert "--wait" in caught.value.hint
        with leased(tmp_path / "other", "b", 0.0):
            pass
    with leased(tmp_path, "b", 0.0):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"who": "x"}', '{"who": "x", "since_s": "y"}', "\xff"])
def test_a_file_that_says_nothing(tmp_path: Path, text: str) -> None:
    """Whatever stands in the file, the lock decides, and its holder is then somebody."""
    with leased(tmp_path, "ana", 0.0):
        (tmp_path / "bench.lock").write_bytes(text.encode("latin-1"))
        with pytest.raises(Busy, match=r"^somebody else benches"), leased(tmp_path, "b", 0.0):
            pytest.fail("two had it")


def test_what_a_dead_one_left_is_no_lease(tmp_path: Path) -> None:
    """A killed holder leaves its name in the file and no lock: the next one has the board at once."""
    with holding(tmp_path) as holder:
        with pytest.raises(Busy, match="ana@desk"), leased(tmp_path, "b", 0.0):
            pytest.fail("two had it")
        holder.kill()
    assert "ana@desk" in (tmp_path / "bench.lock").read_text()
    with leased(tmp_path, "b", 0.0):
        assert json.loads((tmp_path / "bench.lock").read_text())["who"] == "b"


def test_waiting_ends_when_the_holder_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits gets the board as soon as it is free; here it is freed by the first look at it."""
    with holding(tmp_path) as holder:

        def sleep(seconds: float) -> None:
            holder.kill()
            holder.wait()

        monkeypatch.setattr(lease.time, "sleep", sleep)
        with leased(tmp_path, "b", 60.0):
            assert json.loads((tmp_path / "bench.lock").read_text())["who"] == "b"


def test_waiting_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time that was given the refusal is the same; time is counted by a clock of the test's."""
    clock = [100.0]
    monkeypatch.setattr(lease.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(lease.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    with leased(tmp_path, "ana", 0.0), pytest.raises(Busy, match=r"^ana"), leased(tmp_path, "b", 5.0):
        pytest.fail("two had it")
    assert clock[0] == pytest.approx(105.0, abs=0.3)


def test_a_lock_that_cannot_be_written() -> None:
    """Where no file can be made the refusal is one of storage, with its path."""
    with pytest.raises(StorageFailed, match=r"/proc/nowhere/bench\.lock"), leased(Path("/proc/nowhere"), "a", 0.0):
        pytest.fail("it was held")


@pytest.mark.slow
def test_the_agent_refuses_a_second_bench(tmp_path: Path) -> None:
    """Through the agent: with a root a held board is busy, before the bundle is even looked at; without, it runs."""
    root = tmp_path / "root"
    folder = make_bundle(tmp_path / "b")
    few = {"min_runs": 1, "min_s": 0.0, "warmup_s": 0.0, "energy_s": 0.0, "max_s": 5.0}
    with leased(root, "ana@desk", 0.0):
        refused = agent(BenchAsk("/no/such/bundle", root=str(root), who="bo@lap"))
        free = agent(BenchAsk(str(folder), **few))  # type: ignore[arg-type]
    assert refused["error"]["code"] == "busy"
    assert refused["error"]["message"].startswith("ana@desk, for ")
    assert len(free["answer"]["samples_ns"]) >= 1
    assert "answer" in agent(BenchAsk(str(folder), root=str(root), **few))  # type: ignore[arg-type]


def agent(ask: BenchAsk) -> dict[str, dict[str, str]]:
    """What a fresh agent says."""
    request = json.dumps({"version": WIRE_VERSION, "ask": "bench", "body": encode(ask)}).encode()
    env = {**os.environ, "PYTHONPATH": str(DEVICE)}
    command = [sys.executable, "-m", "bramble_agent"]
    answer: dict[str, dict[str, str]] = json.loads(
        subprocess.run(command, input=request, env=env, capture_output=True, check=False).stdout
    )
    return answer
