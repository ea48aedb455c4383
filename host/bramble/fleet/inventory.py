"""The boards a user knows: boards.toml, written by people and by ``bramble board``; ``local`` is always there.

    [boards.pi1]
    host = "10.0.0.7"
    tags = ["kitchen", "pi4"]
    [groups]
    garden = ["pi1", "tag:pi4"]

What may stand in a group, and where boards are asked for, is the business of ``selection``.
"""

from __future__ import annotations

import dataclasses
import difflib
import fcntl
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
LIST = "tuple[str, ...]"
ALL = "all"  # every board but ``local``


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
    raise UsageError(
        f"there is no board {name!r}{_meant(name, known)}",
        "`bramble board list` shows them, `bramble board add` adds one",
    )


def _meant(name: str, known: Mapping[str, Board]) -> str:
    """The end of the message about an unknown board: a group or tag of that name, or the nearest board."""
    if name in groups():
        return f"; did you mean '@{name}'?"
    tagged = any(name in board.tags for board in known.values())
    return f"; did you mean 'tag:{name}'?" if tagged else nearest(name, known)


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a message about ``word``: what of ``known`` may have been meant, or nothing."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def check_name(name: str, where: str = "", what: str = "board") -> None:
    """Raise UsageError for a name that a board, group or tag cannot have; "local" and "all" have their own meaning."""
    if not NAME.fullmatch(name) or name in (LOCAL, ALL):
        raise UsageError(
            f"{where}{name!r} cannot be a {what}'s name",
            "use lower-case letters, digits, '-', '_' and '.'; 'local' is this machine, 'all' are all others",
        )


def save_board(board: Board) -> None:
    """Add a board, or replace the one of its name. Raises UsageError for a name that cannot be one."""
    check_name(board.name)
    table = {key: value for key, value in dataclasses.asdict(board).items() if key != "name"}
    if not table["tags"]:
        del table["tags"]
    with _alone():
        document = _read()
        document.setdefault("boards", tomlkit.table(is_super_table=True))[board.name] = table
        _write(document)


def remove_board(name: str) -> None:
    """Forget a board, in its groups too. Raises UsageError where there is none of that name."""
    if name == LOCAL:
        raise UsageError("the board 'local' is this machine and always there")
    with _alone():
        find_board(name)
        document = _read()
        del document["boards"][name]
        for group, members in groups().items():
            kept = [member for member in members if member != name]
            if not kept:
                del document["groups"][group]
            elif len(kept) < len(members):
                document["groups"][group] = kept
        _write(document)


def tag_board(name: str, tags: Sequence[str], remove: bool = False) -> Board:
    """Give a board tags, or take them away; the board as it is then.

    Raises UsageError for an unknown board, what cannot be a tag, and a tag to take away that the board does not have.
    """
    for tag in tags:
        check_name(tag, what="tag")
    if name == LOCAL:
        raise UsageError("the board 'local' is this machine and has no tags", "name it beside the others: local tag:…")
    with _alone():
        board = find_board(name)
        absent = [tag for tag in tags if tag not in board.tags] if remove else []
        if absent:
            raise UsageError(
                f"{name} has no tag {absent[0]!r}{nearest(absent[0], board.tags)}", "`bramble board list` shows them"
            )
        kept = [tag for tag in board.tags if tag not in tags] if remove else list(dict.fromkeys((*board.tags, *tags)))
        document = _read()
        if kept:
            document["boards"][name]["tags"] = kept
        else:
            document["boards"][name].pop("tags", None)
        _write(document)
    return dataclasses.replace(board, tags=tuple(kept))


def groups() -> dict[str, tuple[str, ...]]:
    """All groups by name with their members as they are written. Raises UsageError, which names the place."""
    return {name: _members(name, members) for name, members in _read().get("groups", {}).items()}


def save_group(name: str, members: Sequence[str]) -> None:
    """Make ``members`` (checked by the caller) the group ``name``; without any the group is forgotten."""
    check_name(name, what="group")
    with _alone():
        known, document = groups(), _read()
        if members:
            document.setdefault("groups", tomlkit.table())[name] = list(members)
        elif name in known:
            del document["groups"][name]
        else:
            raise no_group(name, known)
        _write(document)


def no_group(name: str, known: Iterable[str]) -> UsageError:
    """The error for a group that is not there."""
    guess = nearest(f"@{name}", [f"@{one}" for one in known])
    return UsageError(f"there is no group '@{name}'{guess}", "`bramble board group` shows them, and makes one")


def parse_address(address: str) -> tuple[str, str, int]:
    """User, host and port of ``user@host[:port]``, where host may be a Host of ~/.ssh/config ("[::1]:22" for IPv6).

    What the address does not say is what that configuration says, else the user's own name and port 22.
    Raises UsageError, which repeats the address only if it cannot hold a password.
    """
    from bramble.fleet.ssh.config import way_to

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
    if not isinstance(document.get("groups", {}), Mapping):
        raise UsageError(
            f"{_path()}: groups is not a table", 'write groups as [groups] and NAME = ["BOARD", "tag:TAG"]'
        )
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
        _check_kind(name, key, value)
    if not 0 < held.get("port", 22) < 65_536:
        raise _invalid(name, f"port = {held['port']} is no port", "SSH listens on 22 as a rule")
    if not held.get("host"):
        raise _invalid(name, "'host' is missing", "only the board 'local' has none")
    for tag in held.get("tags", ()):
        check_name(tag, f"{_path()}: boards.{name}.tags: ", "tag")
    tags = tuple(held.pop("tags", ()))
    return Board(name, tags=tags, **held)


def _check_kind(name: str, key: str, value: Any) -> None:
    if FIELDS[key] == LIST:
        if not _are_words(value):
            raise _invalid(name, f"{key} = {value!r} is not a list of words", f'write {key} = ["one", "two"]')
    elif type(value).__name__ != FIELDS[key]:
        raise _invalid(name, f"{key} = {value!r} is not {FIELDS[key]}", "see `bramble board list --json`")


def _members(name: str, members: Any) -> tuple[str, ...]:
    check_name(name, f"{_path()}: groups.", "group")
    held = members.unwrap() if hasattr(members, "unwrap") else members
    if not _are_words(held):
        raise UsageError(
            f"{_path()}: groups.{name} = {held!r} is not a list of words", f'write {name} = ["BOARD", "tag:TAG"]'
        )
    return tuple(held)


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _invalid(name: str, what: str, hint: str) -> UsageError:
    return UsageError(f"{_path()}: boards.{name}: {what}", hint)
