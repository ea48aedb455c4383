"""What stands behind the ``?`` of a source, as in ``synthetic:?fps=30&layout=yuyv``: read and checked."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Dict, Sequence, Tuple
from urllib.parse import parse_qsl

from ...errors import BadRequest

_YES_NO = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}


def nearest(given: str, known: Sequence[str]) -> str:
    """A hint: the known word that is spelt nearly so, else what there is."""
    close = difflib.get_close_matches(given, known, 1, 0.5)
    return f"do you mean {close[0]}?" if close else f"there are {', '.join(known)}"


def split(text: str) -> Tuple[str, str]:
    """What stands before and behind the last ``?``; a question mark in a file's name is none, unless ``=`` follows."""
    place, mark, behind = text.rpartition("?")
    return (place, behind) if mark and "=" in behind else (text, "")


@dataclass(frozen=True)
class Options:
    """The options of one source. Every method raises BadRequest for a value that makes no sense."""

    given: Dict[str, str]
    source: str

    @classmethod
    def read(cls, behind: str, known: Sequence[str], source: str) -> Options:
        """Read ``key=value&key=value``; only ``known`` keys may be there."""
        given = dict(parse_qsl(behind, keep_blank_values=True))
        for key in given:
            if key not in known:
                raise BadRequest(f"the source {source!r} has no option {key!r}", nearest(key, known))
        return cls(given, source)

    def text(self, key: str, default: str, allowed: Sequence[str]) -> str:
        """One of ``allowed``."""
        value = self.given.get(key, default)
        if value not in allowed:
            raise self._wrong(key, value, nearest(value, allowed))
        return value

    def whole(self, key: str, default: int, lowest: int = 0) -> int:
        """A whole number of at least ``lowest``."""
        value = self.given.get(key, str(default))
        if not re.fullmatch(r"\d{1,9}", value) or int(value) < lowest:
            raise self._wrong(key, value, f"give a whole number from {lowest}")
        return int(value)

    def rate(self, key: str) -> float:
        """Frames a second; 0 where not given."""
        value = self.given.get(key, "0")
        if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", value):
            raise self._wrong(key, value, "give frames a second, like 30 or 7.5")
        return float(value)

    def flag(self, key: str) -> bool:
        """Yes or no; no where not given."""
        value = self.given.get(key, "0").lower()
        if value not in _YES_NO:
            raise self._wrong(key, value, "give 1 or 0")
        return _YES_NO[value]

    def size(self, key: str, default: Tuple[int, int]) -> Tuple[int, int]:
        """(width, height), given like 640x480."""
        value = self.given.get(key, "{}x{}".format(*default))
        found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", value)
        if not found or "0" in (found[1], found[2]):
            raise self._wrong(key, value, "give width and height, like 640x480")
        return int(found[1]), int(found[2])

    def _wrong(self, key: str, value: str, hint: str) -> BadRequest:
        return BadRequest(f"the source {self.source!r}: {key}={value} makes no sense", hint)
