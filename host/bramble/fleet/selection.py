"""Which boards are meant: a name, ``@group``, ``tag:TAG``, or ``all`` (every board but ``local``).

A group's members are such words too, other groups among them. Each board comes once, where it was named first.
"""

from __future__ import annotations

from collections.abc import Sequence

from bramble.errors import UsageError
from bramble.fleet.inventory import ALL, boards, find_board, groups, nearest, no_group
from bramble.fleet.types import LOCAL, Board

TAG = "tag:"
SHOW = "`bramble board list` shows them"


def is_selector(word: str) -> bool:
    """Whether a word may stand for several boards."""
    return word == ALL or word.startswith(("@", TAG))


def select(words: Sequence[str], group: str = "") -> tuple[Board, ...]:
    """The boards that ``words`` mean, in their order; as members of ``group`` they must not lead to it.

    Raises UsageError for an unknown board, group or tag (it names the nearest), a group that holds itself, and where
    nothing is left.
    """
    found: dict[str, Board] = {}
    for word in words:
        for board in _meant(word, (group,) if group else ()):
            found.setdefault(board.name, board)
    if not found:
        raise UsageError("no board is named", SHOW)
    return tuple(found.values())


def selectors() -> list[str]:
    """All words that stand for several boards."""
    tags = sorted({tag for board in boards().values() for tag in board.tags})
    return [ALL, *(f"@{name}" for name in groups()), *(f"{TAG}{tag}" for tag in tags)]


def _meant(word: str, inside: tuple[str, ...]) -> list[Board]:
    """The boards of one word; ``inside`` are the groups that led to it."""
    if word == ALL:
        return _all()
    if word.startswith("@"):
        return _of_group(word[1:], inside)
    if word.startswith(TAG):
        return _tagged(word.removeprefix(TAG))
    return [find_board(word)]


def _all() -> list[Board]:
    found = [board for name, board in boards().items() if name != LOCAL]
    if not found:
        raise UsageError("there is no board but this machine yet", "add one: bramble board add NAME user@host")
    return found


def _of_group(name: str, inside: tuple[str, ...]) -> list[Board]:
    known = groups()
    if name in inside:
        raise UsageError(f"'@{name}' holds itself", f"name boards instead: bramble board group {name} BOARD…")
    if name not in known:
        raise no_group(name, known)
    if not known[name]:
        raise UsageError(f"the group '@{name}' is empty", f"bramble board group {name} BOARD…")
    try:
        return [board for member in known[name] for board in _meant(member, (*inside, name))]
    except UsageError as error:
        raise UsageError(f"in the group '@{name}': {error.message}", error.hint) from error


def _tagged(tag: str) -> list[Board]:
    known = boards().values()
    found = [board for board in known if tag in board.tags]
    if not found:
        tags = sorted({f"{TAG}{one}" for board in known for one in board.tags})
        raise UsageError(f"no board has the tag {tag!r}{nearest(TAG + tag, tags)}", SHOW)
    return found
