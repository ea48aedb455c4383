"""Input that comes in blocks, on every way to a board: pulled only as fast as the command takes it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

import pytest

from bramble.errors import UnreachableError
from bramble.fleet.types import Connection


def test_blocks_arrive_in_order(connection: Connection) -> None:
    """Blocks of any size, empty ones too, arrive as one stream."""
    blocks = [os.urandom(size) for size in (1, 0, 100_000, 3, 5 << 20, 0, 32_704, 32_768, 65_537)]
    done = connection.run(["cat"], iter(blocks), 60)
    assert done.status == 0
    assert done.stdout == b"".join(blocks)


def test_no_blocks(connection: Connection) -> None:
    """Nothing at all is an empty input."""
    assert connection.run(["wc", "-c"], iter(()), 30).stdout.strip() == b"0"


def test_blocks_wait_for_the_command(connection: Connection) -> None:
    """Of a gigabyte only what fits on the way is pulled while the command does not read; then all of it is."""
    pulled = 0

    def blocks() -> Iterator[bytes]:
        nonlocal pulled
        for _ in range(1000):
            pulled += 1
            yield bytes(1 << 20)

    with pytest.raises(UnreachableError, match="no answer"):
        connection.run(["sleep", "60"], blocks(), 1.0)
    assert pulled <= 8


def test_refused_blocks(connection: Connection) -> None:
    """A command that ends before the input does gives its answer, and the rest is not pulled."""
    pulled = 0

    def blocks() -> Iterator[bytes]:
        nonlocal pulled
        while True:
            pulled += 1
            yield bytes(1 << 20)

    code = "import sys;sys.stdin.buffer.read(1000);print('no space');sys.exit(3)"
    done = connection.run([sys.executable, "-c", code], blocks(), 60)
    assert (done.status, done.stdout) == (3, b"no space\n")
    assert pulled <= 64


def test_blocks_that_cannot_be_made(connection: Connection) -> None:
    """What the maker of the blocks raises is told as it is, and the way stays open."""

    def blocks() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise FileNotFoundError("the model is gone")

    with pytest.raises(FileNotFoundError, match="the model is gone"):
        connection.run(["cat"], blocks(), 60)
    assert connection.run(["echo", "there"], b"", 30).stdout == b"there\n"


@pytest.mark.slow
def test_slow_blocks_and_slow_reader(connection: Connection) -> None:
    """The time counts from the last byte that moved: neither a slow maker of blocks nor a slow reader is given up."""

    def blocks() -> Iterator[bytes]:
        for _ in range(4):
            time.sleep(0.4)
            yield bytes(1 << 20)

    code = "import sys,time\nwhile sys.stdin.buffer.read(1 << 20): time.sleep(0.2)\nprint('read')"
    assert connection.run([sys.executable, "-c", code], blocks(), 0.7).stdout == b"read\n"
