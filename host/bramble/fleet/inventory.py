"""The boards a user knows: boards.toml, written by people and by ``bramble board``; ``local`` is always there."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import sys
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from bramble.errors import StorageError, UsageError
from bramble.fleet.types import LOCAL, Board
from bramble.places import config_dir, local_board_dir

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
ADDRESS = re.compile(r"(?:(?P<user>[^@\s]+)@)?(?P<host>\[[0-9a-fA-F:.%\w]+\]|[^@:\s\[\]]+)(?::(?P<port>\d{1,5}))?")
FIELDS = {field.name: field.type for field in dataclasses.fields(Board)}


def local_board() -> Board:
    """This machine as a board, run by this very interpreter."""
    return Board(LOCAL, python=sys.executable, root=str(local_board_dir()))


def boards() -> dict[str, Board]:
    """All boards by name, ``local`` first."""
    held = _read().get("boards", {})
    return {LOCAL: local_board(), **{name: _board(name, dict(table)) for name, table in held.items()}}


def find_board(name: str) -> Board:
    """The board of that name. Raises UsageError naming the nearest."""
    known = boards()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(
        f"there is no board {name!r}{guess}", "`bramble board list` shows them, `bramble board add` adds one"
    )


def save_board(board: Board) -> None:
    """Add a board, or replace the one of its name. Raises UsageError for a name that cannot be one."""
    if not NAME.fullmatch(board.name) or board.name == LOCAL:
        raise UsageError(f"{board.name!r} cannot be a board's name", "use lower-case letters, digits, '-', '_' and '.'")
    document = _read()
    table = {key: value for key, value in dataclasses.asdict(board).items() if key != "name"}
    document.setdefault("boards", tomlkit.table(is_super_table=True))[board.name] = table
    _write(document)


def remove_board(name: str) -> None:
    """Forget a board. Raises UsageError where there is none of that name."""
    if name == LOCAL:
        raise UsageError("the board 'local' is this machine and always there")
    find_board(name)
    document = _read()
    del document["boards"][name]
    _write(document)


def parse_address(address: str) -> tuple[str, str, int]:
    """User, host and port of ``user@host[:port]`` ("[::1]:22" for IPv6). Raises UsageError."""
    match = ADDRESS.fullmatch(address)
    port = int(match["port"] or 22) if match else 0
    if match is None or not 0 < port < 65_536:
        raise UsageError(f"{address!r} is not user@host or user@host:port", "for example pi@raspberrypi.local")
    return match["user"] or os.environ.get("USER", "pi"), match["host"].strip("[]"), port


def _path() -> Path:
    return config_dir() / "boards.toml"


def _read() -> Any:
    try:
        return tomlkit.parse(_path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return tomlkit.document()
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise UsageError(f"{_path()} cannot be read: {error}", "repair the file, or move it away") from error


def _write(document: Any) -> None:
    path = _path()
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(tomlkit.dumps(document), encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}", "check the folder, or set $BRAMBLE_HOME"
        ) from error


def _board(name: str, table: dict[str, Any]) -> Board:
    unknown = sorted(set(table) - (set(FIELDS) - {"name"}))
    wrong = [
        key
        for key, value in table.items()
        if key in FIELDS and type(value).__name__ not in ("str", "int", "String", "Integer")
    ]
    if unknown or wrong:
        raise UsageError(
            f"{_path()}: boards.{name}: {(unknown or wrong)[0]!r} is not a valid setting", f"known: {', '.join(FIELDS)}"
        )
    return Board(name, **{key: value.unwrap() if hasattr(value, "unwrap") else value for key, value in table.items()})
