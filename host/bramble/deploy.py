"""From a bundle to what a board says about it: push, verify the golden answers, measure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bramble.events import Note, OnEvent
from bramble.fleet.ask import ask
from bramble.fleet.connect import connect
from bramble.fleet.push import push
from bramble.fleet.types import Board
from bramble.report.facts import OnBoard
from bramble_agent.bundle import Bundle
from bramble_agent.wire import BenchAnswer, BenchAsk, ProbeAnswer, ProbeAsk, VerifyAnswer, VerifyAsk

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


def deploy(bundle: Bundle, path: Path, board: Board, how: Measure, on_event: OnEvent) -> OnBoard:
    """Push the checked ``bundle`` at ``path`` to ``board``, verify it there and measure it.

    Raises UnreachableError, IncompatibleError, BundleError or StorageError; answers that differ are no error but
    part of the result.
    """
    with connect(board) as connection:
        probe = ask(connection, board, ProbeAsk(connection.root), ProbeAnswer)
        pushed = push(connection, board, bundle, path)
        sent = f"{pushed.sent_bytes:,} bytes sent" if pushed.sent_bytes else "already there, nothing sent"
        on_event(Note(f"{board.name}: release {bundle.digest[:12]} is current ({sent})"))
        verify = ask(connection, board, VerifyAsk(pushed.release, how.threads), VerifyAnswer)
        request = BenchAsk(pushed.release, how.threads, **PROFILES[how.profile])  # type: ignore[arg-type]
        on_event(Note(f"{board.name}: golden answers {'agree' if verify.ok else 'DIFFER'}, measuring"))
        bench = ask(connection, board, request, BenchAnswer, request.max_s + request.energy_s + SPARE_S)
    return OnBoard(board.name, probe.facts, verify, bench)
