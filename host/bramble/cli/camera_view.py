"""``bramble camera view``: a board's live page in the browser of this machine."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from bramble.cli import camera_options as camera
from bramble.cli.known import known_board

LOOK_S = 1.0


def view(
    board: camera.BoardName,
    name: camera.Name = "camera",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Of this machine, where the page is; 0 is any.")
    ] = 0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Only print the address.")] = False,
) -> None:
    """Show the live page of a board's camera loop in the browser, through SSH; Ctrl-C ends it.

    The page stays on the board's loopback: nobody else on the network can see it.
    """
    from bramble.fleet.camera.view import viewing

    with suppress(KeyboardInterrupt), viewing(known_board(board), name, port) as seen:
        typer.echo(seen.url)
        if not no_open and typer.launch(seen.url) != 0:
            typer.echo("no browser could be started here: open the address yourself", err=True)
        while True:
            seen.wait(LOOK_S)
