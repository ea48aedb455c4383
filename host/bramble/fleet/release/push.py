"""Put a bundle on a board as a release: what the board lacks is sent, it checks the answers, then it switches.

A push of what is there already is one question and one answer, any other is two. See ``bramble_agent.release`` for what
happens there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bramble.errors import BrambleError
from bramble.fleet.ask import ask
from bramble.fleet.release import kept
from bramble.fleet.release.coding import Source, source_of
from bramble.fleet.release.gate import check_fit
from bramble.fleet.release.send import Absent, OnSent, load
from bramble.fleet.types import Board, Connection
from bramble_agent.bundle import MANIFEST, MODEL, Bundle
from bramble_agent.wire import BoardFacts, VerifyAnswer
from bramble_agent.wire_release import ReleaseAnswer, ReleaseAsk, RollbackAnswer, RollbackAsk

PATIENCE_S = 600.0  # two verifications on the slowest board; waiting for another push


@dataclass(frozen=True)
class How:
    """How a release is made: whether it becomes current, and what it must pass."""

    switch: bool = True
    threads: int = 1
    again: bool = False
    keep: int = 3
    signature: str = ""
    health: tuple[str, ...] = ()
    health_s: float = 0.0


@dataclass(frozen=True)
class Pushed:
    """What became of a push.

    ``state`` is "current", "ready" (there, not switched to), "refused" (its answers differ) or "rolled-back", with
    ``detail`` saying why; ``sent_bytes`` is 0 where all was there.
    """

    state: str
    release: str
    sent_bytes: int
    facts: BoardFacts
    verify: VerifyAnswer
    detail: str = ""
    current: str = ""
    previous: str = ""


def push(
    connection: Connection,
    board: Board,
    bundle: Bundle,
    how: How = How(),
    on_sent: OnSent = lambda done, of: None,
) -> Pushed:
    """Make the checked ``bundle`` a release on a board.

    Raises IncompatibleError before anything is sent to a board that cannot run it, and what ``ask`` raises.
    """
    request, patience_s = _request(connection, bundle, how), PATIENCE_S + how.health_s
    told = ask(connection, board, request, ReleaseAnswer, patience_s)
    packed = {MODEL: bundle.packed}
    files = {name: source_of(held, packed.get(name)) for name, held in bundle.files.items() if name != MANIFEST}
    sent = 0
    if told.state == "missing":
        absent = [one for one in files.values() if one.sha256 in told.missing]
        check_fit(bundle.manifest, told.facts, sum(one.size for one in absent), board.name)
        lacks = Absent(told.missing, told.parts)
        going = load(absent, lacks, _olds(files, told.files))
        sent, request = going.size, replace(request, pieces=going.pieces)
        told = ask(connection, board, request, ReleaseAnswer, going.patience_s, going.blocks(on_sent))
    if told.verify is None:
        raise BrambleError(f"{board.name}: what was sent vanished", "push again; check the board's storage")
    kept.keep(files[MODEL])
    return Pushed(told.state, told.path, sent, told.facts, told.verify, told.detail, told.current, told.previous)


def rollback(connection: Connection, board: Board, threads: int = 1) -> RollbackAnswer:
    """Make the release before the current one current again. Raises UsageError where there is none."""
    return ask(connection, board, RollbackAsk(connection.root, threads), RollbackAnswer, PATIENCE_S)


def _request(connection: Connection, bundle: Bundle, how: How) -> ReleaseAsk:
    return ReleaseAsk(
        root=connection.root,
        digest=bundle.digest,
        manifest=bundle.read(MANIFEST).decode(),
        switch=how.switch,
        threads=how.threads,
        again=how.again,
        keep=how.keep,
        signature=how.signature,
        health=how.health,
        health_s=how.health_s,
    )


def _olds(files: Mapping[str, Source], there: Mapping[str, str]) -> dict[str, Source]:
    """For files by sha256, those of the same name in the board's current release that we have too."""
    found = {name: kept.find(sha256) for name, sha256 in there.items() if name in files}
    return {files[name].sha256: old for name, old in found.items() if old is not None}
