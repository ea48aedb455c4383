"""From a bundle to what a board says about it: push, verify the golden answers, make it current, measure.

A release becomes current only after it gave the golden answers on that board; what was current stays so until then.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bramble.errors import IncompatibleError
from bramble.events import Note, OnEvent
from bramble.fleet.ask import ask
from bramble.fleet.connect import connect
from bramble.fleet.push import push, switch
from bramble.fleet.types import Board, Connection
from bramble.report.facts import OnBoard
from bramble_agent.bundle import Bundle
from bramble_agent.wire import BenchAnswer, BenchAsk, BoardFacts, ProbeAnswer, ProbeAsk, VerifyAnswer, VerifyAsk

PROFILES = {
    "quick": {"min_runs": 64, "min_s": 0.5, "max_s": 6.0},
    "standard": {"min_runs": 662, "min_s": 1.0, "max_s": 60.0},
}
SPARE_S = 120.0


@dataclass(frozen=True)
class Measure:
    """How to measure: a profile, and the number of threads."""

    profile: str = "standard"
    threads: int = 1


@dataclass(frozen=True)
class Brought:
    """A release on a board: its folder there, the bytes sent, and the answers it gave."""

    release: str
    sent_bytes: int
    facts: BoardFacts
    verify: VerifyAnswer


def bring(connection: Connection, board: Board, bundle: Bundle, path: Path, threads: int = 1) -> Brought:
    """Put the checked ``bundle`` at ``path`` on a board and have it give the golden answers; what is current stays.

    Raises IncompatibleError before anything is sent to a board without a runtime, and what asking and pushing raise.
    """
    facts = ask(connection, board, ProbeAsk(connection.root), ProbeAnswer).facts
    if not facts.runtimes or facts.numpy is None:
        lacking = "TFLite runtime" if facts.numpy else "numpy"
        raise IncompatibleError(
            f"{board.name}: {board.python} there has no {lacking}",
            "on the board: pip install ai-edge-litert (64-bit), or pip install tflite-runtime 'numpy<2'",
        )
    pushed = push(connection, board, bundle, path)
    answers = ask(connection, board, VerifyAsk(pushed.release, threads), VerifyAnswer, SPARE_S)
    return Brought(pushed.release, pushed.sent_bytes, facts, answers)


def activate(connection: Connection, board: Board, bundle: Bundle, brought: Brought, on_event: OnEvent) -> None:
    """Make a release current if it gave the golden answers, and tell so."""
    sent = f"{brought.sent_bytes:,} bytes sent" if brought.sent_bytes else "already there, nothing sent"
    name = f"{board.name}: release {bundle.digest[:12]}"
    if brought.verify.ok:
        switch(connection, board, bundle.digest)
        on_event(Note(f"{name} gives the golden answers and is current ({sent})"))
    else:
        on_event(Note(f"{name} does NOT give the golden answers: not made current ({sent})", warning=True))


def bench(connection: Connection, board: Board, brought: Brought, how: Measure) -> OnBoard:
    """Measure a release that is on a board."""
    request = BenchAsk(brought.release, how.threads, **PROFILES[how.profile])  # type: ignore[arg-type]
    said = ask(connection, board, request, BenchAnswer, request.max_s + request.energy_s + SPARE_S)
    return OnBoard(board.name, brought.facts, brought.verify, said)


def deploy(bundle: Bundle, path: Path, board: Board, how: Measure, on_event: OnEvent) -> OnBoard:
    """Push the checked ``bundle`` at ``path`` to ``board``, verify it there, make it current, measure it.

    Raises UnreachableError, IncompatibleError, BundleError or StorageError; answers that differ are no error but
    part of the result.
    """
    with connect(board) as connection:
        brought = bring(connection, board, bundle, path, how.threads)
        activate(connection, board, bundle, brought, on_event)
        return bench(connection, board, brought, how)


def measure(bundle: Bundle, path: Path, board: Board, how: Measure, on_event: OnEvent) -> OnBoard:
    """The same without making it current."""
    with connect(board) as connection:
        brought = bring(connection, board, bundle, path, how.threads)
        on_event(Note(f"{board.name}: golden answers {'agree' if brought.verify.ok else 'DIFFER'}, measuring"))
        return bench(connection, board, brought, how)
