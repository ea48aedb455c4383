"""Many boards at once, and in waves: jobs made by hand, so that what must happen is known beforehand."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from bramble.errors import BrambleError, IncompatibleError, StorageError, UnreachableError
from bramble.events import Event, Note, OnEvent, Step
from bramble.fleet.rollout import Outcome, Rollout, Stopped, Waves, each, in_waves, worst
from bramble.fleet.types import Board
from bramble_agent.errors import StorageFailed

BOARDS = tuple(Board(name, name) for name in "abcdefgh")
Change = tuple[str, Event | Outcome[str]]


class RolledBack(BrambleError):
    """What a release that did not stay looks like from here."""

    exit_code = 7


def upper(board: Board, on_event: OnEvent) -> str:
    """A job that works."""
    on_event(Note(board.name))
    return board.name.upper()


def failing(*names: str, error: Exception | None = None) -> Callable[[Board, OnEvent], str]:
    """A job that fails on some boards."""

    def job(board: Board, on_event: OnEvent) -> str:
        if board.name in names:
            raise error or UnreachableError(f"{board.name}: is off", "switch it on")
        return upper(board, on_event)

    return job


def deaf(board: Board, change: Event | Outcome[str]) -> None:
    """Nobody listens."""


def test_all_outcomes_in_order() -> None:
    """Each board's result is under its name, in the order that was asked for."""
    done = each(BOARDS, upper, 3, deaf)
    assert list(done) == list("abcdefgh")
    assert [outcome.result for outcome in done.values()] == list("ABCDEFGH")


def test_no_boards() -> None:
    """Nothing to do is done at once."""
    assert each((), upper, 3, deaf) == {}


@pytest.mark.parametrize("at_once", [1, 4, 16])
def test_so_many_at_once(at_once: int) -> None:
    """As many jobs as allowed run together and never more: they go on only when the allowed number has come."""
    allowed = min(at_once, len(BOARDS))
    running, most, lock, full = 0, 0, threading.Lock(), threading.Barrier(allowed)

    def job(board: Board, on_event: OnEvent) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        full.wait(30)
        with lock:
            running -= 1

    each(BOARDS, job, at_once, lambda board, change: None)
    assert most <= allowed


def test_news_come_in_the_callers_thread_and_in_order() -> None:
    """A board's news are: connecting, what its job tells, how it ended; all told by the thread that called."""
    told: list[tuple[str, Event | Outcome[str]]] = []
    threads = set()

    def listen(board: Board, change: Event | Outcome[str]) -> None:
        told.append((board.name, change))
        threads.add(threading.current_thread())

    each(BOARDS, upper, 4, listen)
    assert threads == {threading.current_thread()}
    for board in BOARDS:
        mine = [change for name, change in told if name == board.name]
        assert mine == [Step("connecting"), Note(board.name), Outcome(board.name.upper())]


def test_one_that_fails_stops_no_other() -> None:
    """Errors of ours are outcomes, the agent's own among them; all other boards have results."""
    done = each(BOARDS, failing("b", "h"), 2, deaf)
    assert [name for name, outcome in done.items() if outcome.error is not None] == ["b", "h"]
    assert isinstance(done["b"].error, UnreachableError)
    assert done["c"].result == "C"
    full = each(BOARDS[:2], failing("a", error=StorageFailed("full", "free some")), 2, deaf)["a"].error
    assert isinstance(full, StorageError)
    assert (full.message, full.hint) == ("full", "free some")


def test_a_bug_is_raised_when_all_have_ended() -> None:
    """An exception that nobody foresaw is not an outcome: it is raised with the board's name, after the others' end."""
    told: list[str] = []

    def listen(board: Board, change: Event | Outcome[str]) -> None:
        if isinstance(change, Outcome):
            told.append(board.name)

    with pytest.raises(ZeroDivisionError) as caught:
        each(BOARDS, failing("a", error=ZeroDivisionError("of a")), 2, listen)
    assert caught.value.__notes__ == ["on board a"]
    assert sorted(told) == list("bcdefgh")


def test_ctrl_c_starts_nothing_new_and_stops_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C no further board is begun, and a running job ends at its next event with its cleaning done."""
    monkeypatch.setattr("bramble.fleet.rollout.GRACE_S", 60.0)
    begun, cleaned, ready = [], [], threading.Barrier(2)

    def job(board: Board, on_event: OnEvent) -> None:
        begun.append(board.name)
        if ready.wait(30) == 0:
            os.kill(os.getpid(), signal.SIGINT)
        try:
            while True:
                on_event(Step("sending"))
                time.sleep(0.01)
        except Stopped:
            cleaned.append(board.name)
            raise

    with pytest.raises(KeyboardInterrupt):
        each(BOARDS, job, 2, lambda board, change: None)
    assert sorted(begun) == sorted(cleaned) == ["a", "b"]


def test_ctrl_c_does_not_wait_for_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that hangs is left behind after the grace."""
    monkeypatch.setattr("bramble.fleet.rollout.GRACE_S", 0.1)
    release = threading.Event()

    def job(board: Board, on_event: OnEvent) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        release.wait(60)

    with pytest.raises(KeyboardInterrupt):
        each(BOARDS[:1], job, 2, lambda board, change: None)
    release.set()


def no_lower_than(limit: str) -> Callable[[str], str]:
    """A gate that refuses results before a letter."""
    return lambda result: "" if result >= limit else f"{result} is too low"


def names(done: Rollout[str]) -> tuple[str, str]:
    """Who was touched and who was not."""
    return "".join(done.outcomes), "".join(board.name for board in done.untouched)


@pytest.mark.parametrize(
    ("waves", "limit", "touched", "why"),
    [
        (Waves(), "Z", "abcdefgh", ""),  # with nobody left there is nothing to hold back
        (Waves(canary=2), "A", "abcdefgh", ""),
        (Waves(canary=2), "B", "ab", "a: A is too low"),
        (Waves(canary=2), "C", "ab", "a: A is too low"),
        (Waves(canary=8), "Z", "abcdefgh", ""),
        (Waves(canary=99), "Z", "abcdefgh", ""),
        (Waves(canary=1, size=3), "A", "abcdefgh", ""),
        (Waves(size=3), "A", "abcdefgh", ""),
        (Waves(size=3), "B", "abc", "a: A is too low"),
        (Waves(size=4), "E", "abcd", "a: A is too low"),
    ],
)
def test_gate_between_waves(waves: Waves, limit: str, touched: str, why: str) -> None:
    """The rest is touched only where each of those before passed; who held it back is named."""
    done = in_waves(BOARDS, waves, upper, no_lower_than(limit), deaf)
    assert names(done) == (touched, "abcdefgh"[len(touched) :])
    assert done.why == why


def test_waves_are_one_after_the_other() -> None:
    """No board of a wave begins before all boards of the one before have ended."""
    told: list[str] = []

    def listen(board: Board, change: Event | Outcome[str]) -> None:
        if not isinstance(change, Note):
            told.append(board.name.upper() if isinstance(change, Outcome) else board.name)

    in_waves(BOARDS, Waves(2, 3), upper, no_lower_than("A"), listen)
    text = "".join(told)
    assert [sorted(part) for part in (text[:4], text[4:10], text[10:])] == [
        sorted("abAB"),
        sorted("cdeCDE"),
        sorted("fghFGH"),
    ]


@pytest.mark.parametrize(
    ("waves", "error", "touched"),
    [
        (Waves(canary=2), UnreachableError("off"), "ab"),
        (Waves(canary=2), IncompatibleError("no runtime"), "ab"),
        (Waves(canary=2), RolledBack("back"), "ab"),
        (Waves(size=2), UnreachableError("off"), "abcdefgh"),
        (Waves(size=2), StorageError("full"), "abcdefgh"),
        (Waves(size=2), RolledBack("back"), "ab"),
    ],
)
def test_errors_between_waves(waves: Waves, error: BrambleError, touched: str) -> None:
    """A canary must not fail at all; later only what speaks against the release itself holds the rest."""
    done = in_waves(BOARDS, waves, failing("b", error=error), no_lower_than("A"), deaf)
    assert names(done)[0] == touched
    assert done.why == ("" if len(touched) == 8 else f"b: {error.message}")


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 4], 4),
        ([4, 3, 0], 3),
        ([3, 7], 7),
        ([7, 6], 6),
        ([6, 5, 3], 5),
        ([5, 2], 2),
        ([2, 1, 0], 1),
        ([1, 99], 99),
    ],
)
def test_worst_code(codes: list[int], code: int) -> None:
    """Pass < undecided < missed < rolled back < incompatible < unreachable < usage < anything else."""
    assert worst(codes) == code
