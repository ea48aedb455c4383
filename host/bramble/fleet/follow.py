"""A command that is heard while it runs: line by line, for as long as it likes, until we ask it to come to its end.

It is asked by a last word on its input, and by the end of that; so over any link it can end well, and hears of it too
where the link carries no signals.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

LOOK_S = 0.2  # how long a wish to end may go unnoticed
LINE_BYTES = 16 << 20
TAIL_BYTES = 64 << 10  # of stderr


@dataclass(frozen=True)
class Follow:
    """How a command is followed.

    ``beginning`` is its input, ``on_line`` gets each line of its output without the end of line. Once ``over`` says so,
    it is told ``words``, its input ends, and it has ``patience_s`` to end.
    """

    beginning: bytes
    on_line: Callable[[bytes], None]
    over: Callable[[], bool]
    words: bytes = b""
    patience_s: float = 20.0


class Hearing:
    """What was heard of a command: lines are handed on, the end of its stderr is kept; and when its end is due."""

    def __init__(self, how: Follow) -> None:
        self.stderr = b""
        self._how = how
        self._rest = b""
        self._until: float | None = None

    def heard(self, piece: bytes) -> None:
        """A piece of its output came; a line that never ends is cut."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._how.on_line(line)
        if len(self._rest) > LINE_BYTES:
            self.ended()

    def ended(self) -> None:
        """Its output ended: the last line may lack its end."""
        rest, self._rest = self._rest, b""
        if rest:
            self._how.on_line(rest)

    def complained(self, piece: bytes) -> None:
        """A piece of its stderr came."""
        self.stderr = (self.stderr + piece)[-TAIL_BYTES:]

    def over(self) -> bool:
        """Whether it should be told now, once, to come to its end."""
        if self._until is not None or not self._how.over():
            return False
        self._until = time.monotonic() + self._how.patience_s
        return True

    @property
    def late(self) -> bool:
        """Whether it was told, and has had its time."""
        return self._until is not None and time.monotonic() > self._until
