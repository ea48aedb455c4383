"""A connection whose files arrive damaged, or not to their end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from bramble.fleet.types import Connection, Done


class BadLine:
    """Files go through ``change``, a function of blocks; all else is ``inner``'s own. ``runs`` counts commands."""

    def __init__(self, inner: Connection, change: Callable[[Iterable[bytes]], Iterable[bytes]] = lambda it: it) -> None:
        """Wrap ``inner``."""
        self.root = inner.root
        self.put, self.rename, self.close = inner.put, inner.rename, inner.close
        self._inner, self._change = inner, change
        self.runs = 0

    def run(self, argv: Sequence[str], stdin: bytes | Iterable[bytes], timeout_s: float) -> Done:
        """The first block is the question, the others are files."""
        self.runs += 1
        if isinstance(stdin, bytes):
            return self._inner.run(argv, stdin, timeout_s)
        return self._inner.run(argv, self._with_question(iter(stdin)), timeout_s)

    def _with_question(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        yield next(blocks)
        yield from self._change(blocks)


def cut_after(count: int) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
    """Only so many bytes arrive."""

    def change(blocks: Iterable[bytes]) -> Iterator[bytes]:
        left = count
        for block in blocks:
            yield block[:left]
            left -= len(block)
            if left <= 0:
                return

    return change


def flip_at(where: int) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
    """One bit of that byte arrives changed."""

    def change(blocks: Iterable[bytes]) -> Iterator[bytes]:
        at = 0
        for block in blocks:
            if at <= where < at + len(block):
                yield block[: where - at] + bytes([block[where - at] ^ 4]) + block[where - at + 1 :]
            else:
                yield block
            at += len(block)

    return change
