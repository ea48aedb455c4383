"""``bramble board``: the boards you know. ``local`` is this machine and always there."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bramble.cli import options
from bramble.cli.screen import show, show_json

if TYPE_CHECKING:
    from bramble.fleet.known_hosts import Known

app = typer.Typer(help="The boards you know: add, list, probe, remove.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="A name for the board.")],
    address: Annotated[str, typer.Argument(help="user@host[:port], or a Host of ~/.ssh/config")],
    key: Annotated[str, typer.Option("--key", help="Private key file; your agent and ~/.ssh keys if not given.")] = "",
    python: Annotated[str, typer.Option("--python", help="Python on the board.")] = "python3",
    fingerprint: Annotated[
        str, typer.Option("--fingerprint", metavar="SHA256:…", help="Pin the host key without asking, if it is this.")
    ] = "",
    jump: Annotated[
        str, typer.Option("--jump", metavar="USER@HOST,…", help="Go there over these hops, as ssh -J does.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a known board of that name.")] = False,
    json: options.Json = False,
) -> None:
    """Log in to a board once, pin its host key after showing it, and remember it."""
    from bramble.fleet.inventory import boards, check_name, parse_address, save_board
    from bramble.fleet.ssh_login import host_key_of, known_keys
    from bramble.fleet.types import Board

    check_name(name)
    _refuse_known(name, force)
    user, host, port = parse_address(address)
    host_key = host_key_of(host, port, jump)
    _trust(f"{host}:{port}", host_key, fingerprint, known_keys(host, port))
    key_file = str(Path(key).expanduser().absolute()) if key else ""  # the board is used from other folders too
    tags = boards().get(name, Board(name)).tags  # of the one that is replaced
    board = Board(name, host, user, port, host_key, key_file, python, jump=jump, tags=tags)
    answer = _ask_probe(board)
    save_board(board)
    if json:
        show_json({**asdict(board), "facts": answer})
    else:
        show(f"added {name}: {answer['facts']['model']}, {board.address}")
    for absent in lacking(answer["facts"]):
        typer.echo(f"warning: {absent}", err=True)


@app.command("list")
def list_(json: options.Json = False) -> None:
    """Show the boards you know."""
    from bramble.fleet.inventory import boards

    known = boards()
    if json:
        show_json({name: asdict(board) for name, board in known.items()})
        return
    from rich.table import Table

    table = Table(box=None)
    for title in ("board", "address", "python", "root", "host key", "key file", "tags"):
        table.add_column(title, overflow="fold")
    for name, board in known.items():
        cells = (board.address, board.python, board.root, _pinned(board.host_key), board.key_file)
        table.add_row(name, *cells, " ".join(board.tags))
    show(table)


@app.command()
def probe(board: options.BoardName = "local", json: options.Json = False) -> None:
    """Show what a board is and how it is doing."""
    from bramble.fleet.inventory import find_board

    answer = _ask_probe(find_board(board))
    if json:
        show_json(answer)
        return
    from rich.table import Table

    from bramble.report.units import si

    table = Table(box=None, show_header=False)
    facts, now = answer["facts"], answer["now"]
    found = ", ".join(f"{one['name']} {one['version']}" for one in facts["runtimes"])
    facts = {**facts, "runtimes": found or "none: install ai-edge-litert, or tflite-runtime with numpy<2"}
    for name, value in {**facts, **now}.items():
        if value is not None:
            shown = si(value, "B") if name.endswith("_bytes") else str(value)
            table.add_row(name.removesuffix("_bytes").replace("_", " "), shown)
    show(table)


@app.command()
def remove(board: options.BoardName) -> None:
    """Forget a board; nothing is changed on it."""
    from bramble.fleet.inventory import remove_board

    remove_board(board)
    show(f"removed {board}")


def _pinned(host_key: str) -> str:
    from bramble.fleet.ssh_login import fingerprint

    try:
        return fingerprint(host_key) if host_key else ""
    except (ValueError, IndexError):
        return f"damaged: {host_key}"


def _refuse_known(name: str, force: bool) -> None:
    from bramble.errors import UsageError
    from bramble.fleet.inventory import boards

    known = boards()
    if name in known and not force:
        raise UsageError(
            f"there is a board {name!r} already: {known[name].address}", "choose another name, or replace it: --force"
        )


def lacking(facts: dict[str, Any]) -> list[str]:
    """What a board must still get before a model can run there."""
    absent = []
    if not facts["runtimes"]:
        absent.append("the board has no runtime: install ai-edge-litert, or tflite-runtime with numpy<2")
    if not facts["numpy"]:
        absent.append("the board has no numpy: install python3-numpy")
    return absent


def _ask_probe(board: Any) -> dict[str, Any]:
    from bramble.fleet.ask import ask
    from bramble.fleet.connect import connect
    from bramble_agent.codec import encode
    from bramble_agent.wire import ProbeAnswer, ProbeAsk

    with connect(board) as connection:
        answer: dict[str, Any] = encode(ask(connection, board, ProbeAsk(connection.root), ProbeAnswer))
    return answer


def _trust(place: str, host_key: str, expected: str, known: Known) -> None:
    """Go on only if a host key is the expected one, or one that ssh knows, or a person confirms its fingerprint."""
    import sys

    from bramble.errors import HostKeyError
    from bramble.fleet.ssh_login import fingerprint

    seen = fingerprint(host_key)
    if expected and expected != seen:
        raise HostKeyError(
            f"{place} shows host key {seen}, not {expected}", "compare with `ssh-keygen -l` on the board"
        )
    if host_key in known.revoked:
        raise HostKeyError(f"{place} shows host key {seen}, which known_hosts calls revoked", "trust it no more")
    if expected or host_key in known.keys:
        return
    advice = f"compare it on the board (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then: --fingerprint {seen}"
    if known.keys:
        others = ", ".join(fingerprint(key) for key in known.keys)
        raise HostKeyError(f"{place} shows host key {seen}, ssh knows it by {others}", f"someone in between? {advice}")
    if not sys.stdin.isatty():
        raise HostKeyError(f"{place} shows host key {seen}, which nobody has confirmed", advice)
    if not typer.confirm(f"{place} shows host key\n  {seen}\nIs it the board's?", err=True):
        raise HostKeyError(f"{place}: host key {seen} was not confirmed", advice)
