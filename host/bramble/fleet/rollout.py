"""One job on many boards at the same time, and in waves: canaries first, the rest only if those pass the gate.

A job is a function of one board. Each board is served by a thread of its own with a connection of its own; what happens
is told in the thread of the caller, one piece after the other. One that fails stops no other.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from bramble.errors import BrambleError, from_agent
from bramble.events import Event, OnEvent, Step
from bramble.fleet.types import Board
from bramble_agent.errors import AgentError

R = TypeVar("R")

AT_ONCE = 16
GRACE_S = 2.0  # what jobs get to clean up behind them when they are stopped
ROLLED_BACK = 7
SEVERITY = (0, 4, 3, 7, 6, 5, 2, 1)  # exit codes: what was measured before what could not be, bugs last


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """How a job ended on a board: with a result, or with an error."""

    result: R | None = None
    error: BrambleError | None = None


Job = Callable[[Board, OnEvent], R]
OnChange = Callable[[Board, Event | Outcome[R]], None]
Gate = Callable[[R], str]
News = SimpleQueue[tuple[Board, Event | Outcome[R] | BaseException]]


@dataclass(frozen=True)
class Waves:
    """How many boards come first, and how many then in a wave (0: all that are left); so many at the same time."""

    canary: int = 0
    size: int = 0
    at_once: int = AT_ONCE


@dataclass(frozen=True)
class Rollout(Generic[R]):
    """How all ended. ``untouched`` are the boards that nothing was done with, ``why`` names who held them back."""

    outcomes: dict[str, Outcome[R]]
    untouched: tuple[Board, ...] = ()
    why: str = ""


class Stopped(BrambleError):
    """The whole was interrupted: raised in a job by the event that it sends next."""


def each(boards: Sequence[Board], job: Job[R], at_once: int, on_change: OnChange[R]) -> dict[str, Outcome[R]]:
    """Do ``job`` on every board, ``at_once`` of them at the same time; the outcomes by name, in the boards' order.

    ``on_change`` gets each job's events and then its outcome. What is no BrambleError is raised once all have ended.
    An exception here (Ctrl-C, a failing ``on_change``) starts no further job, stops those that run at their next
    event, and waits two seconds for that; one that hangs is left behind, to die with this process.
    """
    news: News[R] = SimpleQueue()
    waiting, stop = deque(boards), threading.Event()

    def serve() -> None:
        while waiting and not stop.is_set():
            try:
                board = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            news.put((board, _done(board, job, stop, news)))

    count = min(at_once, len(boards))
    threads = [threading.Thread(target=serve, name=f"board {n}", daemon=True) for n in range(count)]
    try:
        for thread in threads:
            thread.start()
        return _collected(boards, news, on_change)
    finally:
        stop.set()
        until = time.monotonic() + GRACE_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))


def in_waves(boards: Sequence[Board], waves: Waves, job: Job[R], gate: Gate[R], on_change: OnChange[R]) -> Rollout[R]:
    """Do ``job`` on the canaries, then on the rest in waves; where the gate holds, all later boards are left untouched.

    ``gate`` says what is wrong with a result, "" if nothing. A canary must pass it, and must not fail in any way.
    Later a result that does not pass and a release that was rolled back hold the next wave; a board that cannot be
    reached, or cannot run the model, does not.
    """
    outcomes: dict[str, Outcome[R]] = {}
    rest, canary = list(boards), waves.canary > 0
    while rest:
        size = waves.canary if canary else waves.size or len(rest)
        wave, rest = rest[:size], rest[size:]
        ended = each(wave, job, waves.at_once, on_change)
        outcomes.update(ended)
        held = [(name, _wrong(outcome, gate, canary)) for name, outcome in ended.items()]
        why = next((f"{name}: {reason}" for name, reason in held if reason), "")
        if why and rest:
            return Rollout(outcomes, tuple(rest), why)
        canary = False
    return Rollout(outcomes)


def worst(codes: Iterable[int]) -> int:
    """The exit code of several boards together: 0 < 4 undecided < 3 missed < 7 rolled back < 6 < 5 < 2 < 1."""
    return max(codes, key=lambda code: SEVERITY.index(code) if code in SEVERITY else len(SEVERITY), default=0)


def _wrong(outcome: Outcome[R], gate: Gate[R], canary: bool) -> str:
    """What of an outcome holds the others back, "" if nothing."""
    if outcome.error is not None:
        return outcome.error.message if canary or outcome.error.exit_code == ROLLED_BACK else ""
    return gate(outcome.result)  # type: ignore[arg-type]  # a job may return None


def _done(board: Board, job: Job[R], stop: threading.Event, news: News[R]) -> Outcome[R] | BaseException:
    """A job's outcome, or what else it raised."""

    def tell(event: Event) -> None:
        if stop.is_set():
            raise Stopped(f"{board.name}: interrupted")
        news.put((board, event))

    try:
        tell(Step("connecting"))
        return Outcome(job(board, tell))
    except BrambleError as error:
        return Outcome(error=error)
    except AgentError as error:  # the shared code that boards run failed here
        return Outcome(error=from_agent(error.code, error.message, error.hint))
    except BaseException as error:  # noqa: BLE001 - the border of a thread: raised in the caller's own
        return error


def _collected(
    boards: Sequence[Board],
    news: News[R],
    on_change: OnChange[R],
) -> dict[str, Outcome[R]]:
    """Tell what comes until every board has ended."""
    outcomes: dict[str, Outcome[R]] = {}
    crashes: list[BaseException] = []
    while len(outcomes) + len(crashes) < len(boards):
        board, what = news.get()
        if isinstance(what, BaseException):
            what.add_note(f"on board {board.name}")
            crashes.append(what)
            continue
        if isinstance(what, Outcome):
            outcomes[board.name] = what
        on_change(board, what)
    if crashes:
        raise crashes[0]
    return {board.name: outcomes[board.name] for board in boards}
