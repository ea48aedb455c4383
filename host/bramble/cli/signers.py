"""``bramble board signers``: whose bundles a board takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bramble.cli import options
from bramble.cli.screen import show


def signers(
    board: options.BoardName,
    file: Annotated[
        Path | None, typer.Argument(help="A file as ssh-keygen(1) says under ALLOWED SIGNERS; none with --remove.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take unsigned bundles again.")] = False,
) -> None:
    """Let a board take only bundles that one of these signed: bramble push --sign KEY."""
    from bramble.errors import UsageError
    from bramble.fleet.connect import connect
    from bramble.fleet.inventory import find_board
    from bramble.fleet.release.signing import allow_anybody, allow_signers

    known = find_board(board)
    if (file is None) != remove:
        raise UsageError("give a file of allowed signers, or --remove", f"bramble board signers {board} FILE")
    with connect(known) as connection:
        if file is None:
            allow_anybody(connection, known)
            show(f"{board}: takes unsigned bundles")
            return
        count = allow_signers(connection, known, file)
    show(f"{board}: takes bundles of {count} signer{'s' * (count > 1)} only: bramble push BUNDLE {board} --sign KEY")
