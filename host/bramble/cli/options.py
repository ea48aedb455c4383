"""The options that several verbs share, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Set = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key: stage.0.epochs=3.")]
DataDir = Annotated[
    Path | None,
    typer.Option("--data", envvar="BRAMBLE_DATA", metavar="DIR", help="Folder with mnist/, fashion-mnist/, cifar10/."),
]
Runs = Annotated[Path, typer.Option("--runs", envvar="BRAMBLE_RUNS", metavar="DIR", help="Where results are kept.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Compute everything anew, ignore what was made before.")]
Strict = Annotated[bool, typer.Option("--strict", help="A damaged picture is an error, not skipped.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Threads = Annotated[int, typer.Option("--threads", min=1, max=256, help="Interpreter threads on the board.")]
Profile = Annotated[str, typer.Option("--profile", help="quick (64 samples) or standard (662 samples, p99).")]

AtOnce = Annotated[int, typer.Option("--at-once", min=1, metavar="N", help="So many boards at the same time.")]
Canary = Annotated[
    int, typer.Option("--canary", min=0, metavar="N", help="N boards first; the others only if those pass.")
]
Wave = Annotated[
    int, typer.Option("--wave", min=0, metavar="N", help="Then N boards after the other N; 0: all that are left.")
]
Wait = Annotated[
    float, typer.Option("--wait", min=0, metavar="S", help="Seconds to wait where somebody else benches on a board.")
]

Keep = Annotated[int, typer.Option("--keep", min=1, metavar="N", help="Releases that stay on a board.")]
Sign = Annotated[Path | None, typer.Option("--sign", metavar="KEY", help="Sign with this SSH key (ssh-keygen -Y).")]
Health = Annotated[
    str,
    typer.Option("--health", metavar="COMMAND", help="Roll back if this fails on the board after the switch."),
]
HealthWindow = Annotated[
    float, typer.Option("--health-window", min=0, max=600, metavar="S", help="Seconds that --health is tried for.")
]


def complete_recipes(incomplete: str) -> list[str]:
    """Names of the zoo's recipes, for the shell."""
    from bramble.reading import zoo_recipes

    return [name for name in sorted(zoo_recipes()) if name.startswith(incomplete)]


def complete_boards(incomplete: str) -> list[str]:
    """Names of known boards, for the shell."""
    from bramble.fleet.inventory import boards

    return [name for name in boards() if name.startswith(incomplete)]


def complete_selectors(incomplete: str) -> list[str]:
    """Names of known boards and what stands for several of them, for the shell."""
    from bramble.fleet.selection import selectors

    return complete_boards(incomplete) + [word for word in selectors() if word.startswith(incomplete)]


Recipe = Annotated[str, typer.Argument(help="A recipe of the zoo, or a .toml file.", autocompletion=complete_recipes)]
Thing = Annotated[
    str, typer.Argument(help="A recipe, a .toml file, a bundle or a run's folder.", autocompletion=complete_recipes)
]
BundlePath = Annotated[Path, typer.Argument(help="A bundle: folder or .zip, or a run's folder.")]
Boards = Annotated[
    list[str] | None,
    typer.Argument(
        help="Boards: names, user@host, @group, tag:TAG, or all (but local); this machine (local) if none.",
        autocompletion=complete_selectors,
    ),
]
BoardName = Annotated[str, typer.Argument(help="A board.", autocompletion=complete_boards)]
