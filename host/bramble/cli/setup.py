"""``bramble board setup``: a blank board becomes ready to run models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bramble.cli import options
from bramble.cli.known import known_board
from bramble.cli.one import Show, at_work
from bramble.cli.screen import show, show_json
from bramble.events import Step


def setup(
    board: options.BoardName,
    wheels: Annotated[
        Path | None,
        typer.Option("--wheels", metavar="FOLDER", help="Take wheels from there; this machine needs no internet then."),
    ] = None,
    runtime: Annotated[
        str, typer.Option("--runtime", help="ai-edge-litert or tflite-runtime; the best that fits if not given.")
    ] = "",
    json: options.Json = False,
) -> None:
    """Make a blank board ready: a TFLite runtime in a private environment. The board needs no internet.

    Wheels are fetched by this machine and checked against the board, library by library, before they are sent. What is
    in use on the board stays so until the new environment has run a model. Repeat it at will.
    """
    from bramble.errors import UsageError
    from bramble.fleet.connect import connect
    from bramble.fleet.probe.probe import survey
    from bramble.fleet.setup.choose import Wish
    from bramble.fleet.setup.runtimes import NAMES
    from bramble.fleet.setup.setup import pythons_of, refuse_local, set_up
    from bramble.report.units import si

    if runtime not in ("", *NAMES):
        raise UsageError(f"there is no runtime {runtime!r}", f"choose one: {', '.join(NAMES)}")
    known = known_board(board)
    refuse_local(known)
    with at_work(known.name, Show(quiet=json)) as on_event, connect(known) as connection:
        on_event(Step("looking at the board"))
        seen = survey(connection, pythons=pythons_of(connection, known), name=known.name)
        ready = set_up(connection, known, seen, Wish(runtime, wheels), on_event)
    if json:
        show_json(asdict(ready))
        return
    how = f"{si(ready.sent_bytes, 'B')} sent" if ready.changed else "nothing to do, nothing sent"
    show(f"ready: {ready.board} runs {ready.runtime} with numpy {ready.numpy} ({how})")
