"""What goes into a command, and when it is given up.

Blocks are pulled one at a time and only when the link takes them, so that a file of any size needs little memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterable


class Deadline:
    """When to give up: ``seconds`` after the start, or (``sliding``) after the last byte that moved."""

    def __init__(self, seconds: float, sliding: bool = False) -> None:
        self.seconds, self.sliding = seconds, sliding
        self._held = False
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left; at most 0 when the time is over."""
        return self.seconds if self._held else self._end - time.monotonic()

    def moved(self) -> None:
        """A byte moved: a sliding deadline starts anew."""
        if self.sliding:
            self._end = time.monotonic() + self.seconds

    def hold(self) -> None:
        """Stop a sliding deadline: the other side cannot move anything while we make the next block."""
        self._held = self.sliding

    def go_on(self) -> None:
        """Start it anew."""
        self.moved()
        self._held = False


class Feed:
    """The input of a command: a view of the block in hand; ``failure`` is what the maker of the blocks raised."""

    def __init__(self, stdin: bytes | Iterable[bytes], deadline: Deadline) -> None:
        self.failure: BaseException | None = None
        self._blocks = iter((stdin,) if isinstance(stdin, bytes) else stdin)
        self._deadline = deadline
        self._rest = memoryview(b"")

    def rest(self) -> memoryview:
        """What is not sent of the block in hand, or the next block; empty at the end. Raises what its maker does."""
        while not self._rest:
            self._deadline.hold()
            try:
                self._rest = memoryview(next(self._blocks))
            except StopIteration:
                break
            except BaseException as error:
                self.failure = error
                raise
            finally:
                self._deadline.go_on()
        return self._rest

    def sent(self, count: int) -> None:
        """So many bytes of the block are gone."""
        self._rest = self._rest[count:]
