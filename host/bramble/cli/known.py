"""Boards as people name them: by the inventory's names, groups and tags, or by address, which adds an unknown board."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bramble.fleet.types import Board


@dataclass(frozen=True)
class Asked:
    """The boards that were asked for; ``many`` where several could be meant: then results are a list or table."""

    boards: tuple[Board, ...]
    many: bool


def asked_for(words: list[str] | None) -> Asked:
    """The boards of a verb's arguments, each once; this machine without any.

    Raises UsageError for what is not known and where nothing is meant, HostKeyError as ``known_board``.
    """
    from bramble.fleet.selection import is_selector, select

    given = words or ["local"]
    found: dict[str, Board] = {}
    for word in given:
        for board in select([word]) if is_selector(word) else [known_board(word)]:
            found.setdefault(board.name, board)
    return Asked(tuple(found.values()), len(given) > 1 or is_selector(given[0]))


def known_board(wanted: str) -> Board:
    """The board of that name or address (user@host[:port]).

    An address nobody knows is added as ``bramble board add`` does: its host key is shown and must be confirmed.
    Raises UsageError for an unknown name, HostKeyError where nobody confirms.
    """
    from bramble.cli.board import add
    from bramble.fleet.inventory import boards, find_board, parse_address

    if "@" not in wanted:
        return find_board(wanted)
    user, host, port = parse_address(wanted)
    for board in boards().values():
        if (board.user, board.host, board.port) == (user, host, port):
            return board
    name = free_name(host, set(boards()))
    add(name, wanted)
    return find_board(name)


def free_name(host: str, taken: set[str]) -> str:
    """A name for a host's board that no other board has."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", host.lower()).strip("-._")[:50] or "board"
    numbered = (f"{plain}-{number}" for number in range(2, len(taken) + 3))
    return plain if plain not in taken else next(name for name in numbered if name not in taken)
