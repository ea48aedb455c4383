"""``bramble board probe``: what boards are, how they are doing, what is current there."""

from __future__ import annotations

from typing import Any

import typer

from bramble.cli import options
from bramble.cli.board import as_json, look
from bramble.cli.known import asked_for
from bramble.cli.one import Show, at_work
from bramble.cli.screen import show, show_error, show_json
from bramble.events import Step


def probe(boards: options.Boards = None, json: options.Json = False) -> None:
    """Show what boards are, how they are doing, and what is in the way of a model there.

    Needs nothing on a board but a shell. With --json what the agent says is there too, if it can run; of several boards
    by name.
    """
    from bramble.errors import BrambleError
    from bramble.fleet.rollout import worst
    from bramble.report.survey_table import render_survey

    known = asked_for(boards).boards
    told: dict[str, Any] = {}
    codes = []
    for board in known:
        try:
            with at_work(board.name, Show(steps=False, quiet=json)) as on_event:
                on_event(Step("looking at the board"))
                seen = look(board, with_agent=json)
        except BrambleError as error:  # the other boards are looked at all the same
            if len(known) == 1:
                raise
            show_error(error.message, error.hint)
            told[board.name] = {"error": error.message, "hint": error.hint}
            codes.append(error.exit_code)
            continue
        told[board.name] = {**(seen.agent or {}), **as_json(seen)}
        if not json:
            show(render_survey(f"{board.name} · {board.address}", seen.survey, seen.found))
    if json:
        show_json(told if len(known) > 1 else told[known[0].name])
    raise typer.Exit(worst(codes))
