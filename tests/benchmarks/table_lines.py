"""Looking at lines of the papers' table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Write = Callable[..., None]  # the fixture ``write``: an experiment's name, wrong answers by seed, other facts


def line(lines: Iterator[Any], words: str) -> Any:
    """The one line whose claim has these words."""
    (found,) = (one for one in lines if words in one.claim)
    return found
