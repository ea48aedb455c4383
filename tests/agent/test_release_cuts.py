"""Releases that are cut off: killed at every step, the agent killed, the link gone.

After each cut ``current`` leads to a whole release that gave its answers here (or to none, where there was none), and
doing it again ends well.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bramble_agent.bundle import open_bundle
from bramble_agent.codec import encode
from bramble_agent.release import release, rollback
from bramble_agent.wire import WIRE_VERSION
from bramble_agent.wire_release import ReleaseAsk, RollbackAsk
from bringing import bring, held, linked, names, push, request
from making import bundle_digest

from .conftest import Make, Verifier

DEVICE = Path(__file__).parents[2] / "device"
STEPS = ("replace", "rename", "symlink", "link", "unlink", "mkdir", "rmdir", "fsync", "utime", "open")
KILLED = 9


def dies_at(step: int, work: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Do ``work`` in a copy of this process that is gone before its ``step``-th change to the disk; whether it was."""
    child = os.fork()
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, KILLED), status
        return status == KILLED
    left = step

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(KILLED)
            return real(*values, **named)

        return call

    try:
        for name in STEPS:
            monkeypatch.setattr(os, name, counted(getattr(os, name)))
        work()
        os._exit(0)
    finally:
        os._exit(1)


def at_every_step(
    root: Path, work: Callable[[], object], monkeypatch: pytest.MonkeyPatch, check: Callable[[], None]
) -> int:
    """Kill ``work`` on the same beginning at its first step, its second, …; ``check`` each. How many steps it has."""
    beginning = root.with_name("beginning")
    shutil.copytree(root, beginning, symlinks=True, copy_function=os.link)
    step = 0
    while dies_at(step, work, monkeypatch):
        check()
        shutil.rmtree(root)
        shutil.copytree(beginning, root, symlinks=True, copy_function=os.link)
        step += 1
    return step


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board's folder, on a disk that need not be waited for."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    return tmp_path / "board"


@pytest.mark.slow
def test_killed_at_every_step_of_a_push(
    root: Path, make: Make, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the release's first file to the last note of its retention: pushing again ends with it as current."""
    p, a, b = make("p"), make("a"), make("b")
    for folder in (p, a):
        push(root, folder)
    bring(root, held(b).values())
    one, two = bundle_digest(a), bundle_digest(b)
    seen = set()

    def check() -> None:
        now = open_bundle(root / "current").digest
        seen.add((now, (root / "trial.json").exists()))
        assert now == one or (now == two and (root / "verified" / f"{two}.json").exists())
        assert push(root, b, keep=2).state == "current"
        assert linked(root) == (two, one)
        assert names(root / "releases") == {one, two}
        assert not (root / "trial.json").exists()

    assert at_every_step(root, lambda: release(request(root, b, keep=2)), monkeypatch, check) > 30
    assert seen == {(one, False), (one, True), (two, True), (two, False)}


@pytest.mark.slow
def test_killed_at_every_step_of_a_failing_trial(
    root: Path, make: Make, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A switch that is taken back, cut off on the way there or back, is taken back by whatever comes next."""
    p, a, b = make("p"), make("a"), make("b")
    for folder in (p, a):
        push(root, folder)
    bring(root, held(b).values())
    before = (bundle_digest(a), bundle_digest(p))

    def check() -> None:
        assert open_bundle(root / "current").digest in (before[0], bundle_digest(b))
        assert push(root, a, switch=False).state == "ready"
        assert linked(root) == before

    steps = at_every_step(root, lambda: release(request(root, b, health=("false",))), monkeypatch, check)
    assert steps > 30


@pytest.mark.slow
def test_killed_at_every_step_of_a_first_push(
    root: Path, make: Make, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there was none, there is none after a cut, or the new one whole."""
    a = make("a")
    bring(root, held(a).values())

    def check() -> None:
        if (root / "current").is_symlink():
            assert open_bundle(root / "current").digest == bundle_digest(a)
        assert push(root, a).state == "current"
        assert linked(root) == (bundle_digest(a), "")

    assert at_every_step(root, lambda: release(request(root, a)), monkeypatch, check) > 20


def test_killed_at_every_step_of_a_rollback(
    root: Path, make: Make, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback that was cut off forgets neither of the two: the next one ends it."""
    a, b = make("a"), make("b")
    for folder in (a, b):
        push(root, folder)
    one, two = bundle_digest(a), bundle_digest(b)

    def check() -> None:
        push(root, a, switch=False)  # takes back what was cut off
        assert linked(root) in ((two, one), (one, two))
        now = linked(root)
        assert rollback(RollbackAsk(str(root))).current == now[1]
        assert linked(root) == now[::-1]

    assert at_every_step(root, lambda: rollback(RollbackAsk(str(root))), monkeypatch, check) > 8


@pytest.mark.slow
def test_killed_at_every_step_of_mending(
    root: Path, make: Make, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a current release is mended, no file of it is ever gone; pushing again ends it."""
    a = make("a")
    push(root, a)
    (root / "current" / "labels.txt").unlink()
    (root / "current" / "labels.txt").write_text("rot")
    shutil.rmtree(root / "blobs")
    bring(root, held(a).values())

    def check() -> None:
        assert names(root / "current") == {"manifest.json", "model.tflite", "labels.txt", "golden.npz"}
        assert push(root, a).state == "current"
        assert open_bundle(root / "current").digest == bundle_digest(a)

    assert at_every_step(root, lambda: release(request(root, a)), monkeypatch, check) > 10


@pytest.mark.slow
def test_killed_at_every_step_of_an_upload(
    root: Path, make: Make, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are in the store after a cut are whole, and the upload goes on."""
    a, b = make("a"), make("b")
    push(root, a)

    def check() -> None:
        for path in (root / "blobs").iterdir():
            assert path.read_bytes() in (*held(a).values(), *held(b).values())
        assert push(root, b).state == "current"

    assert at_every_step(root, lambda: bring(root, held(b).values()), monkeypatch, check) > 8


def agent(ask: ReleaseAsk) -> subprocess.Popen[bytes]:
    """The agent in a process of its own, at work on a release."""
    message = json.dumps({"version": WIRE_VERSION, "ask": "release", "body": encode(ask)}).encode()
    env = {**os.environ, "PYTHONPATH": str(DEVICE)}
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-m", "bramble_agent"], stdin=pipe, stdout=pipe, env=env)
    assert process.stdin is not None
    process.stdin.write(message)
    process.stdin.close()
    return process


def test_agent_killed_on_trial(root: Path, make: Make) -> None:
    """An agent that is killed outright while a service is watched leaves a trial; the next command takes it back."""
    a, b = make("a"), make("b")
    push(root, a)
    bring(root, held(b).values())
    process = agent(request(root, b, health=("sh", "-c", "kill -9 $PPID"), health_s=5.0))
    assert process.stdout is not None
    assert process.stdout.read() == b""
    process.stdout.close()
    assert process.wait(30) == -9
    assert linked(root) == (bundle_digest(b), bundle_digest(a))
    assert release(request(root, a, switch=False)).state == "ready"
    assert linked(root) == (bundle_digest(a), "")
    assert push(root, b).state == "current"


def test_rollback_of_a_trial_that_was_cut_off(root: Path, make: Make, verifier: Verifier) -> None:
    """Whoever asks for a rollback then gets the release before the trial, not the one before that."""
    p, a, b = make("p"), make("a"), make("b")
    for folder in (p, a):
        push(root, folder)
    before = (bundle_digest(a), bundle_digest(p))
    push(root, b)
    (root / "trial.json").write_text(json.dumps(dict(zip(("current", "previous"), before, strict=True))))
    answer = rollback(RollbackAsk(str(root)))
    assert (answer.current, answer.previous) == linked(root) == before


@pytest.mark.parametrize(("check", "stays"), [("true", True), ("false", False)])
def test_link_that_goes_down_on_trial(check: str, stays: bool, root: Path, make: Make, tmp_path: Path) -> None:
    """A trial whose link is gone comes to its end: the release stays if it is well, and is taken back if not."""
    a, b = make("a"), make("b")
    push(root, a)
    bring(root, held(b).values())
    go, began = tmp_path / "go", tmp_path / "began"
    health = ("sh", "-c", f"touch '{began}'; while ! test -e '{go}'; do sleep 0.05; done; {check}")
    ask = request(root, b, health=health)
    (tmp_path / "ask").write_text(json.dumps({"version": WIRE_VERSION, "ask": "release", "body": encode(ask)}))
    env = {**os.environ, "PYTHONPATH": str(DEVICE)}
    shell = f"'{sys.executable}' -m bramble_agent <'{tmp_path}/ask' & echo $!; wait"
    parent = subprocess.Popen(["sh", "-c", shell], stdout=subprocess.PIPE, env=env)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    while not began.exists():
        time.sleep(0.01)
    parent.kill()
    parent.wait()
    time.sleep(0.7)  # longer than an agent needs to see that its parent is gone
    assert (root / "trial.json").exists()
    go.touch()
    parent.stdout.read()  # until the agent is gone
    parent.stdout.close()
    while Path(f"/proc/{child}/exe").exists():  # it closes its files before it is gone
        time.sleep(0.01)
    assert not (root / "trial.json").exists()
    assert linked(root)[0] == bundle_digest(b if stays else a)
