"""Which models a source's frames are for: told by any thread, heeded by the one that reads, between two frames.

While a release is compared with the next one, which may take pictures of another size, frames must serve both. Every
frame carries the number of the latest wish that was heeded when it was read (``Frame.wish``), so that nobody judges a
model by a frame that was made for another.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Sequence, Tuple

if TYPE_CHECKING:
    from ..wire import Pixels
    from .frame import Source


class Wishes:
    """The latest wish, and its number."""

    def __init__(self) -> None:
        """Number 0 is what the source was made for."""
        self._lock = threading.Lock()
        self._latest: Tuple[int, Sequence[Pixels]] = (0, ())

    def tell(self, wanted: Sequence[Pixels]) -> int:
        """From some frame on they shall serve all of these; the number of that wish."""
        with self._lock:
            self._latest = self._latest[0] + 1, tuple(wanted)
            return self._latest[0]

    def heed(self, source: Source, heeded: int) -> int:
        """Tell the source what is wanted, if it does not know yet; the wish's number. Raises what ``want`` raises."""
        number, wanted = self._latest
        if number != heeded:
            source.want(wanted)
        return number
