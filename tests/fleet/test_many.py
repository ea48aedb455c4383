"""Sixteen real SSH servers as sixteen boards: one that is dead, full or hangs is told, and all others are served."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bramble.bundle import load_bundle
from bramble.deploy import put
from bramble.errors import StorageError, UnreachableError
from bramble.events import Event, OnEvent, Sent, Step
from bramble.fleet.release.push import How, Pushed
from bramble.fleet.rollout import Outcome, Rollout, Waves, each, in_waves
from bramble.fleet.types import Board
from making import bundle_digest, make_bundle, make_golden
from serving import Server, board_of, serving_many

COUNT = 16


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """The servers; the last two may be stopped and frozen by the test that needs it."""
    with serving_many(tmp_path_factory.mktemp("fleet"), COUNT) as running:
        yield running


@pytest.fixture
def boards(servers: list[Server], tmp_path: Path) -> list[Board]:
    """A board for each server, with a root of its own."""
    return [board_of(server, tmp_path / f"pi{n}", name=f"pi{n}") for n, server in enumerate(servers)]


def deaf(board: Board, change: Event | Outcome[Pushed]) -> None:
    """Nobody listens."""


@pytest.mark.slow
def test_push_to_all(boards: list[Board], bundle_path: Path) -> None:
    """All sixteen have the release as their current one, each got the bytes, and each was at every step in turn."""
    bundle = load_bundle(bundle_path)
    told: dict[str, list[str]] = {board.name: [] for board in boards}

    def job(board: Board, on_event: OnEvent) -> Pushed:
        return put(bundle, board, How(), on_event)

    def listen(board: Board, change: Event | Outcome[Pushed]) -> None:
        if isinstance(change, Step):
            told[board.name].append(change.name)
        elif isinstance(change, Sent) and change.done == change.of:
            told[board.name].append("sent")

    done = each(boards, job, COUNT, listen)
    assert list(done) == [f"pi{n}" for n in range(COUNT)]
    for board in boards:
        result = done[board.name].result
        assert result is not None, done[board.name].error
        assert result.verify.ok
        assert result.sent_bytes > 0
        assert (Path(board.root) / "current").resolve().name == bundle_digest(bundle_path)
        assert told[board.name] == ["connecting", "checking", "sent"]
    again = each(boards, job, COUNT, deaf)
    assert {outcome.result.sent_bytes for outcome in again.values() if outcome.result} == {0}


@pytest.mark.slow
def test_dead_full_and_hung(
    servers: list[Server], boards: list[Board], bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped server, a disk that takes nothing and a frozen server are three errors; thirteen boards are served."""
    monkeypatch.setattr("bramble.fleet.ssh.config.CONNECT_S", 10.0)
    bundle = load_bundle(bundle_path)
    boards[3] = replace(boards[3], root="/proc/nowhere")
    servers[14].stop()
    servers[15].freeze()
    try:
        done = each(boards, lambda board, on_event: put(bundle, board, How(), on_event), COUNT, deaf)
    finally:
        for server in servers[14:]:
            server.stop()
            server.start()
    failed = {name: outcome.error for name, outcome in done.items() if outcome.error is not None}
    assert list(failed) == ["pi3", "pi14", "pi15"]
    assert isinstance(failed["pi3"], StorageError)
    assert isinstance(failed["pi14"], UnreachableError)
    assert isinstance(failed["pi15"], UnreachableError)
    assert all(error.hint for error in failed.values())
    served = [board for board in boards if board.name not in failed]
    assert len(served) == 13
    assert {(Path(board.root) / "current").resolve().name for board in served} == {bundle.digest}


@pytest.mark.slow
def test_canary_with_wrong_answers(boards: list[Board], tmp_path: Path) -> None:
    """A bundle whose answers are wrong stops at the canaries: the other boards have not even a folder."""
    golden = make_golden()
    golden["output_0"][0, 0] += 3
    path = make_bundle(tmp_path / "off", arrays=golden)
    bundle = load_bundle(path)
    done: Rollout[Pushed] = in_waves(
        boards,
        Waves(canary=2),
        lambda board, on_event: put(bundle, board, How(), on_event),
        lambda result: "" if result.verify.ok else "differs",
        deaf,
    )
    assert list(done.outcomes) == ["pi0", "pi1"]
    assert [board.name for board in done.untouched] == [f"pi{n}" for n in range(2, COUNT)]
    assert done.why == "pi0: differs"
    assert [Path(board.root).exists() for board in boards] == [True] * 2 + [False] * 14
    assert not (Path(boards[0].root) / "current").exists()


def test_ctrl_c_in_the_middle(boards: list[Board], bundle_path: Path) -> None:
    """Ctrl-C while two boards are at it: those end in the middle of the upload, the others were never called."""
    bundle, pressed = load_bundle(bundle_path), threading.Event()

    def job(board: Board, on_event: OnEvent) -> Pushed:
        def tell(event: Event) -> None:
            on_event(event)
            if isinstance(event, Sent):
                pressed.wait(60)

        return put(bundle, board, How(), tell)

    def listen(board: Board, change: Event | Outcome[Pushed]) -> None:
        if isinstance(change, Sent):
            pressed.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each(boards, job, 2, listen)
    deadline = time.monotonic() + 60
    while any(thread.name.startswith("board ") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not any((Path(board.root) / "current").exists() for board in boards)
    assert not any(Path(board.root).exists() for board in boards[2:])
