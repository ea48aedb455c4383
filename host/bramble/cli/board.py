"""``bramble board``: the boards you know. ``local`` is this machine and always there."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bramble.cli import options
from bramble.cli.screen import show, show_json

if TYPE_CHECKING:
    from bramble.fleet.findings.finding import Finding
    from bramble.fleet.probe.survey import Survey
    from bramble.fleet.ssh.known_hosts import Known
    from bramble.fleet.types import Board

KEY_SHOWN = 14  # of a fingerprint: enough to tell boards apart
PYTHON_SHOWN = 20

app = typer.Typer(help="The boards you know: add, list, probe, remove.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="A name for the board.")],
    address: Annotated[str, typer.Argument(help="user@host[:port], or a Host of ~/.ssh/config")],
    key: Annotated[str, typer.Option("--key", help="Private key file; your agent and ~/.ssh keys if not given.")] = "",
    python: Annotated[
        str, typer.Option("--python", help="Python on the board; what `board setup` made, else python3, if not given.")
    ] = "",
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
    from bramble.errors import UsageError
    from bramble.fleet.inventory import boards, check_name, parse_address, save_board
    from bramble.fleet.ssh.login import host_key_of, known_keys
    from bramble.fleet.types import Board

    check_name(name)
    _refuse_known(name, force)
    user, host, port = parse_address(address)
    key_file = str(Path(key).expanduser().absolute()) if key else ""  # the board is used from other folders too
    if key_file and not Path(key_file).exists():
        raise UsageError(f"there is no key file {key}", f"make one: ssh-keygen -t ed25519 -f {shlex.quote(key)}")
    board = Board(name, host, user, port, "", key_file, python or "python3", jump=jump, tags=())
    host_key = host_key_of(host, port, jump)
    _trust(board, host_key, fingerprint, known_keys(host, port))
    tags = boards().get(name, Board(name)).tags  # of the one that is replaced
    seen = look(replace(board, host_key=host_key, tags=tags), with_agent=True, adopt=not python)
    board = seen.board
    save_board(board)
    if json:
        show_json({**asdict(board), "facts": seen.agent, **as_json(seen)})
    else:
        show(f"added {name}: {seen.survey.model}, {board.address}")
        if board.python != (python or "python3"):
            show(f"{name} was set up before: {board.python} is used, which has {_runtime(seen)}")
    for one in seen.found:
        if one.level == "problem":
            typer.echo(f"warning: {one.said}: {one.what_to_do}", err=True)


@app.command("list")
def list_(json: options.Json = False) -> None:
    """Show the boards you know; --json has host keys, key files and folders too."""
    from bramble.fleet.inventory import boards

    known = boards()
    if json:
        show_json({name: asdict(board) for name, board in known.items()})
        return
    from rich.table import Table

    table = Table(box=None)
    for title in ("board", "address", "python", "host key", "tags"):
        table.add_column(title, overflow="fold")
    for name, board in known.items():
        table.add_row(
            name, board.address, _short(board.python), _pinned(board.host_key)[:KEY_SHOWN], " ".join(board.tags)
        )
    show(table)


@app.command()
def remove(board: options.BoardName) -> None:
    """Forget a board; nothing is changed on it."""
    from bramble.fleet.inventory import remove_board

    remove_board(board)
    show(f"removed {board}")


def _short(python: str) -> str:
    """A Python as the table shows it: what a setup made has a name, of another long path the end."""
    from bramble.fleet.setup.target import OURS

    if python.endswith(OURS):
        return "set up"
    return python if len(python) <= PYTHON_SHOWN else f"…{python[1 - PYTHON_SHOWN :]}"


def _runtime(seen: Seen) -> str:
    return ", ".join(one for python in seen.survey.pythons if python.named for one in python.runtimes)


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
class Seen:
    """What a look at a board gave; ``agent`` is what the agent said, None where it was not asked or cannot run."""

    board: Board
    found: tuple[Finding, ...]
    survey: Survey
    agent: dict[str, Any] | None


def look(board: Board, with_agent: bool, adopt: bool = False) -> Seen:
    """Look at a board by its shell alone, then, if wanted, ask the agent; a board without Python gives no answer.

    With ``adopt`` the board's Python becomes what a setup made there, if that has a runtime.
    """
    from bramble.fleet.ask import ask
    from bramble.fleet.connect import connect
    from bramble.fleet.findings.findings import findings
    from bramble.fleet.probe.probe import survey
    from bramble.fleet.setup.target import runs_agent
    from bramble_agent.codec import encode
    from bramble_agent.wire import ProbeAnswer, ProbeAsk

    with connect(board) as connection:
        seen = survey(connection, pythons=[board.python], name=board.name)
        if adopt:
            board, seen = _adopted(board, seen)
        answer = None
        if with_agent and any(one.named and runs_agent(one) for one in seen.pythons):
            answer = encode(ask(connection, board, ProbeAsk(connection.root), ProbeAnswer))
    return Seen(board, tuple(_naming(board.name, one) for one in findings(seen)), seen, answer)


def _adopted(board: Board, seen: Survey) -> tuple[Board, Survey]:
    """The board and its survey with the Python that a setup made there as the one to use."""
    from bramble.fleet.setup.target import OURS, runs_agent

    ours = next((one for one in seen.pythons if one.path.endswith(OURS) and one.runtimes and runs_agent(one)), None)
    if ours is None:
        return board, seen
    pythons = tuple(replace(one, named=one is ours) for one in seen.pythons)
    return replace(board, python=ours.path), replace(seen, pythons=pythons)


def _naming(name: str, one: Finding) -> Finding:
    """A finding whose advice can be typed as it stands."""
    return replace(one, what_to_do=one.what_to_do.replace("`bramble board setup`", f"`bramble board setup {name}`"))


def as_json(seen: Seen) -> dict[str, Any]:
    """A look at a board as JSON."""
    return {"survey": asdict(seen.survey), "findings": [asdict(one) for one in seen.found]}


def _trust(board: Board, host_key: str, expected: str, known: Known) -> None:
    """Go on only if a host key is the expected one, or one that ssh knows, or a person confirms its fingerprint."""
    import sys

    from bramble.errors import HostKeyError
    from bramble.fleet.inventory import boards
    from bramble.fleet.ssh.login import add_again, fingerprint

    place, seen = f"{board.host}:{board.port}", fingerprint(host_key)
    if expected and expected != seen:
        raise HostKeyError(
            f"{place} shows host key {seen}, not {expected}", "compare with `ssh-keygen -l` on the board"
        )
    if host_key in known.revoked:
        raise HostKeyError(f"{place} shows host key {seen}, which known_hosts calls revoked", "trust it no more")
    if expected or host_key in known.keys:
        return
    command = add_again(board, seen, board.name in boards())
    advice = f"compare it on the board (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then: {command}"
    if known.keys:
        others = ", ".join(fingerprint(key) for key in known.keys)
        raise HostKeyError(f"{place} shows host key {seen}, ssh knows it by {others}", f"someone in between? {advice}")
    if not sys.stdin.isatty():
        raise HostKeyError(f"{place} shows host key {seen}, which nobody has confirmed", advice)
    if not typer.confirm(f"{place} shows host key\n  {seen}\nIs it the board's?", err=True):
        raise HostKeyError(f"{place}: host key {seen} was not confirmed", advice)
