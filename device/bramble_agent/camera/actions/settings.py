"""What stands behind an action's ``?``: read and checked. Messages never repeat an address, which may hold a secret."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import List, Sequence, Tuple
from urllib.parse import parse_qsl

from ...errors import BadRequest
from ..sources.options import nearest


@dataclass(frozen=True)
class Settings:
    """The options of one action of this ``kind``. Every method raises BadRequest for a value that makes no sense."""

    kind: str
    given: Tuple[Tuple[str, str], ...]

    @classmethod
    def read(cls, kind: str, behind: str, known: Sequence[str]) -> Settings:
        """Read ``key=value&key=value``; only ``known`` keys may be there."""
        given = tuple(parse_qsl(behind, keep_blank_values=True))
        for key, _ in given:
            if key not in known:
                raise BadRequest(f"the action {kind} has no option {key[:40]!r}", nearest(key, known))
        return cls(kind, given)

    def all(self, key: str) -> List[str]:
        """Every value of an option that may be there more than once."""
        return [value for one, value in self.given if one == key]

    def text(self, key: str, default: str = "") -> str:
        """An option's value; the last counts."""
        return [default, *self.all(key)][-1]

    def path(self, key: str) -> str:
        """A path, with ``~`` resolved; "" where not given."""
        return os.path.expanduser(self.text(key))

    def whole(self, key: str, default: int, lowest: int = 1, highest: int = 1 << 40) -> int:
        """A whole number."""
        value = self.text(key, str(default))
        if not re.fullmatch(r"[0-9]{1,13}", value) or not lowest <= int(value) <= highest:
            raise self.wrong(key, f"give a whole number from {lowest}")
        return int(value)

    def seconds(self, key: str, default: float, highest: float = 86_400.0) -> float:
        """Seconds above 0."""
        value = self.text(key, f"{default:g}")
        if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value) or not 0.0 <= float(value) <= highest:
            raise self.wrong(key, "give seconds, like 10 or 0.5")
        return float(value)

    def flag(self, key: str) -> bool:
        """Yes or no; no where not given."""
        value = self.text(key, "0").lower()
        if value not in ("0", "1", "no", "yes", "false", "true"):
            raise self.wrong(key, "give 1 or 0")
        return value in ("1", "yes", "true")

    def wrong(self, key: str, hint: str) -> BadRequest:
        """An error about one option."""
        return BadRequest(f"the action {self.kind}: {key}={self.text(key)[:80]} makes no sense", hint)
