"""From a shell's output to records: lines that carry our mark, as key and value; all else on stdout is noise.

Banners, start-up files and jobs in the background may print what they like, before, between and after, also without
ending their line. Bytes that are no UTF-8, and characters that would steer a terminal, become "?".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KEY = re.compile(r"[a-z][a-z0-9_]*")
MOST = 4_000  # characters of a value: what is longer is no fact about a board, and no number that int() takes
DIGITS = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True)
class Records:
    """Values by key, in the order they came."""

    held: Mapping[str, Sequence[str]]

    def all(self, key: str) -> tuple[str, ...]:
        """All values of a key."""
        return tuple(self.held.get(key, ()))

    def first(self, *keys: str) -> str:
        """The first value of the first key that has one; "" where none has."""
        return next((value for key in keys for value in self.all(key)), "")

    def has(self, key: str) -> bool:
        """Whether the key was told at all."""
        return bool(self.all(key))


def read_records(stdout: bytes, mark: str) -> Records:
    """The records of all lines that hold ``mark``, from there on."""
    found: dict[str, list[str]] = defaultdict(list)
    for raw in stdout.split(b"\n"):
        _, marked, rest = raw.partition(f"{mark} ".encode())
        key, equals, value = rest.decode("utf-8", "replace").partition("=")
        if marked and equals and KEY.fullmatch(key) and len(value) <= MOST:
            found[key].append(plain(value))
    return Records(dict(found))


def plain(text: str) -> str:
    """The text without what cannot be printed, trimmed; tabs stay."""
    return "".join(one if one.isprintable() or one == "\t" else "?" for one in text.replace("\ufffd", "?")).strip()


def integer(text: str) -> int | None:
    """The integer at the start of a text; None where there is none."""
    match = DIGITS.match(text.strip())
    return int(match.group()) if match else None
