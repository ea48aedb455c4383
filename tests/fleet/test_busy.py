"""A board that somebody benches: the next one is refused by name, or waits, and gets it when the first is gone."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from pathlib import Path

import pytest

from bramble.deploy import Measure, measure
from bramble.errors import BoardBusyError, UnreachableError
from bramble.events import Event
from bramble.fleet.ask import ask
from bramble.fleet.connect import connect
from bramble.fleet.release.push import How, push
from bramble.fleet.types import Board
from bramble_agent.bundle import Bundle
from bramble_agent.lease import leased
from bramble_agent.wire import BenchAnswer, BenchAsk


def until_held(root: Path) -> str:
    """Wait until somebody has the board's lease; who it is."""
    lock, deadline = root / "bench.lock", time.monotonic() + 60
    while not (lock.exists() and lock.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    who: str = json.loads(lock.read_text())["who"]
    return who


def no(event: Event) -> None:
    """Nobody listens."""


def test_a_second_bench_is_refused_by_name(board: Board, bundle: Bundle, root: Path) -> None:
    """Where somebody benches, the next one is told who and since when, after the push; exit code 5."""
    with leased(root, "ana@desk, process 4711", 0.0), pytest.raises(BoardBusyError) as caught:
        measure(bundle, board, Measure("quick"), no)
    assert re.fullmatch(rf"{board.name}: ana@desk, process 4711, for \d+ s now, benches there", caught.value.message)
    assert caught.value.exit_code == 5
    assert "--wait" in caught.value.hint


@pytest.mark.slow
def test_a_second_bench_may_wait(board: Board, bundle: Bundle, root: Path) -> None:
    """With time to wait the board is measured as soon as it is free, and says meanwhile who measures."""
    measured = []
    who: list[str] = []

    def bench() -> None:
        measured.append(measure(bundle, board, Measure("quick", wait_s=100.0), no))

    with leased(root, "ana@desk", 0.0):
        thread = threading.Thread(target=bench)
        thread.start()
        while not list(root.glob("releases/*/manifest.json")):
            assert thread.is_alive()
            time.sleep(0.05)
    while thread.is_alive():
        text = (root / "bench.lock").read_text()
        who += [json.loads(text)["who"]] if text else []
        time.sleep(0.05)
    assert [result.verify.ok for result in measured] == [True]
    assert who[-1].endswith(f", process {os.getpid()}")
    assert (root / "bench.lock").read_text() == ""


def test_a_host_that_is_gone_frees_the_board(ssh_board: Board, bundle: Bundle, root: Path) -> None:
    """When the connection ends in the middle, so does the bench on the board, and the next one need not wait."""
    failed: list[BaseException] = []
    with connect(ssh_board) as connection:
        release = push(connection, ssh_board, bundle, How(switch=False)).release
        long = BenchAsk(release, min_s=100.0, max_s=100.0, root=connection.root, who="ana@desk")

        def bench() -> None:
            try:
                ask(connection, ssh_board, long, BenchAnswer, 110.0)
            except UnreachableError as error:
                failed.append(error)

        thread = threading.Thread(target=bench)
        thread.start()
        assert until_held(root) == "ana@desk"
    thread.join()
    assert len(failed) == 1
    with leased(root, "bo@lap", 60.0):  # the bench has 100 s to go
        pass
