"""The boards a user knows: boards.toml, written by people and by ``bramble board``; ``local`` is always there."""

from __future__ import annotations

import dataclasses
import difflib
import fcntl
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from bramble.errors import StorageError, UsageError
from bramble.fleet.types import LOCAL, Board
from bramble.places import config_dir, local_board_dir

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
ADDRESS = re.compile(
    r"(?:(?P<user>[^@:\s]+)@)?(?P<host>\[[0-9a-fA-F:.]+(?:%[\w.-]+)?\]|[^@:\s\[\]]+)(?::(?P<port>[0-9]{1,5}))?"
)
FIELDS = {field.name: field.type for field in dataclasses.fields(Board) if field.name != "name"}


def local_board() -> Board:
    """This machine as a board, run by this very interpreter."""
    return Board(LOCAL, python=sys.executable, root=str(local_board_dir()))


def boards() -> dict[str, Board]:
    """All boards by name, ``local`` first."""
    held = _read().get("boards", {})
    return {LOCAL: local_board(), **{name: _board(name, table) for name, table in held.items()}}


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


def check_name(name: str, where: str = "") -> None:
    """Raise UsageError for a name that a board of the inventory cannot have; ``local`` is this machine's."""
    if not NAME.fullmatch(name) or name == LOCAL:
        raise UsageError(
            f"{where}{name!r} cannot be a board's name",
            "use lower-case letters, digits, '-', '_' and '.'; 'local' is this machine",
        )


def save_board(board: Board) -> None:
    """Add a board, or replace the one of its name. Raises UsageError for a name that cannot be one."""
    check_name(board.name)
    table = {key: value for key, value in dataclasses.asdict(board).items() if key != "name"}
    with _alone():
        document = _read()
        document.setdefault("boards", tomlkit.table(is_super_table=True))[board.name] = table
        _write(document)


def remove_board(name: str) -> None:
    """Forget a board. Raises UsageError where there is none of that name."""
    if name == LOCAL:
        raise UsageError("the board 'local' is this machine and always there")
    with _alone():
        find_board(name)
        document = _read()
        del document["boards"][name]
        _write(document)


def parse_address(address: str) -> tuple[str, str, int]:
    """User, host and port of ``user@host[:port]``, where host may be a Host of ~/.ssh/config ("[::1]:22" for IPv6).

    What the address does not say is what that configuration says, else the user's own name and port 22.
    Raises UsageError, which repeats the address only if it cannot hold a password.
    """
    from bramble.fleet.ssh_config import way_to

    match = ADDRESS.fullmatch(address)
    port = int(match["port"] or 22) if match else 0
    if match is None or not 0 < port < 65_536:
        shown = "the address" if "@" in address and ":" in address.rpartition("@")[0] else repr(address)
        raise UsageError(f"{shown} is not user@host or user@host:port", "for example pi@raspberrypi.local")
    way = way_to(match["host"].strip("[]"), match["user"] or "", int(match["port"] or 0))
    return way.user or "pi", way.alias, way.port


def _path() -> Path:
    return config_dir() / "boards.toml"


def _read() -> Any:
    try:
        document = tomlkit.parse(_path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return tomlkit.document()
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise UsageError(f"{_path()} cannot be read: {error}", "repair the file, or move it away") from error
    if not isinstance(document.get("boards", {}), Mapping):
        raise UsageError(f"{_path()}: boards is not a table", "write a board as [boards.NAME]")
    return document


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the folder's lock: of two commands that change boards.toml, the second reads what the first wrote."""
    folder = config_dir()
    _read()  # what cannot be read is told before the folder is made
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise _unwritten(error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _unwritten(error: OSError) -> StorageError:
    return StorageError(f"cannot write {_path()}: {error.strerror}", "check the folder, or set $BRAMBLE_HOME")


def _write(document: Any) -> None:
    path = _path()
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(tomlkit.dumps(document), encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise _unwritten(error) from error


def _board(name: str, table: Any) -> Board:
    check_name(name, f"{_path()}: ")
    if not isinstance(table, Mapping):
        raise _invalid(name, "it is not a table", f"write it as [boards.{name}]")
    held = {key: value.unwrap() if hasattr(value, "unwrap") else value for key, value in table.items()}
    for key, value in held.items():
        if key not in FIELDS:
            raise _invalid(name, f"{key!r} is not a setting", f"known: {', '.join(FIELDS)}")
        if type(value).__name__ != FIELDS[key]:
            raise _invalid(name, f"{key} = {value!r} is not {FIELDS[key]}", "see `bramble board list --json`")
    if not 0 < held.get("port", 22) < 65_536:
        raise _invalid(name, f"port = {held['port']} is no port", "SSH listens on 22 as a rule")
    if not held.get("host"):
        raise _invalid(name, "'host' is missing", "only the board 'local' has none")
    return Board(name, **held)


def _invalid(name: str, what: str, hint: str) -> UsageError:
    return UsageError(f"{_path()}: boards.{name}: {what}", hint)
