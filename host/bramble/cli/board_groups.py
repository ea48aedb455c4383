"""``bramble board tag`` and ``group``: words that stand for several boards."""

from __future__ import annotations

from typing import Annotated

import typer

from bramble.cli import options
from bramble.cli.screen import show, show_json

Tags = Annotated[list[str], typer.Argument(help="Tags; boards are then chosen by tag:TAG.")]
GroupName = Annotated[str, typer.Argument(help="A group's name, without @; all groups are shown if none.")]
Members = Annotated[
    list[str] | None,
    typer.Argument(help="Its boards: names, tag:TAG, other @groups.", autocompletion=options.complete_selectors),
]


def tag(
    board: options.BoardName,
    tags: Tags,
    remove: Annotated[bool, typer.Option("--remove", help="Take these tags away.")] = False,
) -> None:
    """Give a board tags, to choose boards by: tag:kitchen."""
    from bramble.fleet.inventory import tag_board

    held = tag_board(board, tags, remove)
    show(f"{board}: {' '.join(held.tags) or 'no tags'}")


def group(
    name: GroupName = "",
    members: Members = None,
    remove: Annotated[bool, typer.Option("--remove", help="Forget the group.")] = False,
    json: options.Json = False,
) -> None:
    """Name several boards at once, to be used as @NAME; with no members given, show what it holds."""
    from bramble.errors import UsageError
    from bramble.fleet.inventory import check_name, save_group
    from bramble.fleet.selection import select

    if not (members or remove):
        _show_groups(name, json)
        return
    if members and remove:
        raise UsageError("--remove forgets a whole group", f"name those that stay: bramble board group {name} BOARD…")
    check_name(name, what="group")
    if members:
        select(members, name)
    save_group(name, members or [])
    if members:
        _show_groups(name, json)
    else:
        show(f"forgot @{name}; its boards stay")


def _show_groups(wanted: str, json: bool) -> None:
    """One group or all, as they are written and as the boards that they mean now."""
    from bramble.fleet.inventory import groups, no_group
    from bramble.fleet.selection import select

    known = groups()
    if wanted and wanted not in known:
        raise no_group(wanted, known)
    names = [wanted] if wanted else list(known)
    held = {name: [board.name for board in select([f"@{name}"])] for name in names}
    if json:
        show_json({name: {"members": list(known[name]), "boards": held[name]} for name in names})
        return
    for name in names:
        written = "" if list(known[name]) == held[name] else f"  ({' '.join(known[name])})"
        show(f"@{name}: {' '.join(held[name])}{written}")
