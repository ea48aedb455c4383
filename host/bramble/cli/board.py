"""``bramble board``: the boards you know. ``local`` is this machine and always there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bramble.cli import options
from bramble.cli.screen import show, show_error, show_json

if TYPE_CHECKING:
    from bramble.fleet.findings.finding import Finding
    from bramble.fleet.probe.survey import Survey
    from bramble.fleet.ssh.known_hosts import Known
    from bramble.fleet.types import Board

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
    from bramble.fleet.ssh.login import host_key_of, known_keys
    from bramble.fleet.types import Board

    check_name(name)
    _refuse_known(name, force)
    user, host, port = parse_address(address)
    host_key = host_key_of(host, port, jump)
    _trust(f"{host}:{port}", host_key, fingerprint, known_keys(host, port))
    key_file = str(Path(key).expanduser().absolute()) if key else ""  # the board is used from other folders too
    tags = boards().get(name, Board(name)).tags  # of the one that is replaced
    board = Board(name, host, user, port, host_key, key_file, python, jump=jump, tags=tags)
    seen = _look(board, with_agent=True)
    save_board(board)
    if json:
        show_json({**asdict(board), "facts": seen.agent, **_as_json(seen)})
    else:
        show(f"added {name}: {seen.survey.model}, {board.address}")
    for one in seen.found:
        if one.level == "problem":
            typer.echo(f"warning: {one.said}: {one.what_to_do}", err=True)


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
def probe(boards: options.Boards = None, json: options.Json = False) -> None:
    """Show what boards are, how they are doing, and what is in the way of a model there.

    Needs nothing on a board but a shell. With --json what the agent says is there too, if it can run; of several boards
    by name.
    """
    from bramble.errors import BrambleError
    from bramble.fleet.inventory import find_board
    from bramble.report.survey_table import render_survey

    known = [find_board(name) for name in dict.fromkeys(boards or ["local"])]
    told: dict[str, Any] = {}
    status = 0
    for board in known:
        try:
            seen = _look(board, with_agent=json)
        except BrambleError as error:  # the other boards are looked at all the same
            if len(known) == 1:
                raise
            show_error(error.message, error.hint)
            told[board.name], status = {"error": error.message, "hint": error.hint}, error.exit_code
            continue
        told[board.name] = {**(seen.agent or {}), **_as_json(seen)}
        if not json:
            show(render_survey(f"{board.name} · {board.address}", seen.survey, seen.found))
    if json:
        show_json(told if len(known) > 1 else told[known[0].name])
    raise typer.Exit(status)


@app.command()
def remove(board: options.BoardName) -> None:
    """Forget a board; nothing is changed on it."""
    from bramble.fleet.inventory import remove_board

    remove_board(board)
    show(f"removed {board}")


def _pinned(host_key: str) -> str:
    from bramble.fleet.ssh.login import fingerprint

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


@dataclass(frozen=True)
class _Seen:
    """What a look at a board gave; ``agent`` is what the agent said, None where it was not asked or cannot run."""

    survey: Survey
    found: tuple[Finding, ...]
    agent: dict[str, Any] | None


def _look(board: Board, with_agent: bool) -> _Seen:
    """Look at a board by its shell alone, then, if wanted, ask the agent; a board without Python gives no answer."""
    from bramble.fleet.ask import ask
    from bramble.fleet.connect import connect
    from bramble.fleet.findings.findings import findings
    from bramble.fleet.probe.probe import survey
    from bramble.fleet.setup.target import runs_agent
    from bramble_agent.codec import encode
    from bramble_agent.wire import ProbeAnswer, ProbeAsk

    with connect(board) as connection:
        seen = survey(connection, pythons=[board.python], name=board.name)
        answer = None
        if with_agent and any(one.named and runs_agent(one) for one in seen.pythons):
            answer = encode(ask(connection, board, ProbeAsk(connection.root), ProbeAnswer))
    return _Seen(seen, findings(seen), answer)


def _as_json(seen: _Seen) -> dict[str, Any]:
    return {"survey": asdict(seen.survey), "findings": [asdict(one) for one in seen.found]}


def _trust(place: str, host_key: str, expected: str, known: Known) -> None:
    """Go on only if a host key is the expected one, or one that ssh knows, or a person confirms its fingerprint."""
    import sys

    from bramble.errors import HostKeyError
    from bramble.fleet.ssh.login import fingerprint

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
