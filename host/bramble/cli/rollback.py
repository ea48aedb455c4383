"""``bramble rollback``: boards go back to the release that was current before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bramble.cli import options
from bramble.cli.known import asked_for
from bramble.cli.one import Show, at_work
from bramble.cli.screen import show, show_json

if TYPE_CHECKING:
    from bramble.cli.many import Telling
    from bramble.events import OnEvent
    from bramble.fleet.types import Board
    from bramble_agent.wire_release import RollbackAnswer


def rollback(
    boards: options.Boards = None,
    at_once: options.AtOnce = 16,
    json: options.Json = False,
) -> None:
    """Make the release that was current before current again.

    Only if it is whole and gives its golden answers; a second rollback returns. Exit code 2 where there is none.
    """
    from bramble.events import Step
    from bramble.fleet.connect import connect
    from bramble.fleet.release.push import rollback as back
    from bramble.fleet.rollout import Waves
    from bramble_agent.codec import encode

    asked = asked_for(boards)

    def job(board: Board, on_event: OnEvent) -> RollbackAnswer:
        with connect(board) as connection:
            on_event(Step("checking"))
            return back(connection, board)

    if asked.many:
        from bramble.cli.many import on_many

        raise typer.Exit(on_many(asked.boards, job, _telling(), Waves(at_once=at_once), json))
    (board,) = asked.boards
    with at_work(board.name, Show(quiet=json, switches=True)) as on_event:
        one = job(board, on_event)
    if json:
        show_json({board.name: encode(one)})
    else:
        show(f"{board.name}: release {one.current[:12]} is current again; {one.previous[:12]} is the previous one now")


def _telling() -> Telling[RollbackAnswer]:
    from bramble.cli.many import Telling
    from bramble.report.verdict import Verdict
    from bramble_agent.codec import encode

    return Telling(
        titles=("release", "state"),
        cells=lambda one: (one.current[:12], "current again"),
        state=lambda one: (Verdict.PASS, f"{one.current[:12]} is current again"),
        value=encode,
        words={Verdict.PASS: "current again"},
        wrong=lambda one: "",
    )
