"""From a bundle to what a board says about it: push, verify the golden answers, make it current, measure.

A release becomes current only after it gave the golden answers on that board; what was current stays so until then.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from bramble.errors import RolledBackError
from bramble.events import Note, OnEvent, Sent, Step
from bramble.fleet.ask import ask
from bramble.fleet.connect import connect
from bramble.fleet.release.push import How, Pushed, push
from bramble.fleet.types import Board, Connection
from bramble.report.facts import OnBoard
from bramble_agent.bundle import Bundle
from bramble_agent.wire import BenchAnswer, BenchAsk

PROFILES = {
    "quick": {"min_runs": 64, "min_s": 0.5, "max_s": 6.0},
    "standard": {"min_runs": 662, "min_s": 1.0, "max_s": 60.0},
}
SPARE_S = 120.0
BACK = "`bramble rollback` goes back to the one before, or push another"


@dataclass(frozen=True)
class Measure:
    """How to measure: a profile, the number of threads, and how long to wait where somebody else benches.

    ``signature`` is the bundle's, for boards that ask for one.
    """

    profile: str = "standard"
    threads: int = 1
    wait_s: float = 0.0
    signature: str = ""


def bring(connection: Connection, board: Board, bundle: Bundle, how: How, on_event: OnEvent) -> Pushed:
    """Put the checked ``bundle`` on a board, have it give the golden answers there, and tell what became of it.

    Raises IncompatibleError before anything is sent to a board that cannot run it, RolledBackError where it failed
    after the switch, and what ``push`` raises.
    """
    on_event(Step("checking"))
    pushed = push(connection, board, bundle, how, lambda done, of: on_event(Sent(done, of)))
    sent = f"{pushed.sent_bytes:,} bytes sent" if pushed.sent_bytes else "already there, nothing sent"
    name = f"{board.name}: release {bundle.digest[:12]}"
    if pushed.state == "rolled-back":
        raise RolledBackError(f"{name} was rolled back: {pushed.detail}", _back_at(pushed))
    if pushed.state == "refused" and pushed.current == bundle.digest:
        on_event(Note(f"{name} is current and does NOT give the golden answers: {BACK}", warning=True))
    elif pushed.state == "refused":
        on_event(Note(f"{name} does NOT give the golden answers: not made current ({sent})", warning=True))
    elif pushed.state == "current":
        on_event(Note(f"{name} gives the golden answers and is current ({sent})"))
    else:
        on_event(Note(f"{name} gives the golden answers ({sent})"))
    return pushed


def _back_at(pushed: Pushed) -> str:
    if pushed.current:
        return f"release {pushed.current[:12]} is current again"
    return "there was none before: no release is current"


def bench(connection: Connection, board: Board, brought: Pushed, how: Measure) -> OnBoard:
    """Measure a release that is on a board, while nobody else does. Raises BoardBusyError, which names who does."""
    alone = {"root": connection.root, "who": _who(), "wait_s": how.wait_s}
    request = BenchAsk(brought.release, how.threads, **PROFILES[how.profile], **alone)  # type: ignore[arg-type]
    said = ask(connection, board, request, BenchAnswer, how.wait_s + request.max_s + request.energy_s + SPARE_S)
    return OnBoard(board.name, brought.facts, brought.verify, said, brought.sent_bytes)


def put(bundle: Bundle, board: Board, how: How, on_event: OnEvent) -> Pushed:
    """Push the checked ``bundle`` to ``board`` and have it checked there, and do no more. Raises as ``bring`` does."""
    with connect(board) as connection:
        return bring(connection, board, bundle, how, on_event)


def deploy(bundle: Bundle, board: Board, how: Measure, on_event: OnEvent) -> OnBoard:
    """Push the checked ``bundle`` to ``board``, verify it there, make it current, measure it.

    Raises UnreachableError, IncompatibleError, RolledBackError, BundleError or StorageError; answers that differ are no
    error but part of the result.
    """
    with connect(board) as connection:
        pushed = bring(connection, board, bundle, _release(how, switch=True), on_event)
        on_event(Step("measuring"))
        return bench(connection, board, pushed, how)


def measure(bundle: Bundle, board: Board, how: Measure, on_event: OnEvent) -> OnBoard:
    """The same without making it current."""
    with connect(board) as connection:
        pushed = bring(connection, board, bundle, _release(how, switch=False), on_event)
        on_event(Step("measuring"))
        return bench(connection, board, pushed, how)


def _release(how: Measure, switch: bool) -> How:
    return How(switch=switch, threads=how.threads, again=True, signature=how.signature)


def _who() -> str:
    """Whom another host is told to wait for."""
    return f"{os.environ.get('USER', 'somebody')}@{platform.node()}, process {os.getpid()}"
