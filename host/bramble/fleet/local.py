"""This machine as a board: the same steps as over SSH, with copies and processes of its own."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from bramble.errors import StorageError, UnreachableError
from bramble.fleet.feed import Deadline, Feed
from bramble.fleet.follow import LOOK_S, Follow, Hearing
from bramble.fleet.types import Board, Done

PIECE = 1 << 16


class LocalConnection:
    """A ``Connection`` to this machine."""

    def __init__(self, board: Board) -> None:
        self.root = str(Path(board.root).expanduser())

    def run(self, argv: Sequence[str], stdin: bytes | Iterable[bytes], timeout_s: float) -> Done:
        """Run a command as a child process; one that is given up is killed."""
        deadline = Deadline(timeout_s, sliding=not isinstance(stdin, bytes))
        process = _started(argv)
        if isinstance(process, Done):
            return process
        with process:
            try:
                out, err = _exchange(process, Feed(stdin, deadline), deadline)
                return Done(process.wait(max(0.0, deadline.left())), out, err)
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise UnreachableError(f"no answer after {timeout_s:g} s", "the machine may be overloaded") from error
            except BaseException:
                process.kill()
                raise

    def follow(self, argv: Sequence[str], how: Follow) -> Done:
        """Run a command as a child that hears no Ctrl-C of ours; whatever goes wrong, it is ended."""
        process = _started(argv, start_new_session=True)
        if isinstance(process, Done):
            return process
        hearing = Hearing(how)
        with process:
            try:
                _followed(process, how, hearing)
                return Done(process.wait(how.patience_s), b"", hearing.stderr)
            except subprocess.TimeoutExpired as error:
                raise UnreachableError(
                    f"it did not end within {how.patience_s:g} s", "the machine may be overloaded"
                ) from error
            finally:
                if process.poll() is None:
                    process.kill()

    def put(self, source: Path, target: str) -> None:
        """Copy a file; what arrived of one that does not fit is removed."""
        with _storage(f"write {target}"):
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(source, target)
            except OSError:
                Path(target).unlink(missing_ok=True)
                raise

    def rename(self, source: str, target: str) -> None:
        """Rename, replacing."""
        with _storage(f"write {target}"):
            Path(source).replace(target)

    def close(self) -> None:
        """Nothing to end."""


def _started(argv: Sequence[str], start_new_session: bool = False) -> subprocess.Popen[bytes] | Done:
    """A child process; where it cannot be started, what a shell would say, as over SSH."""
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(
            list(argv), bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=start_new_session
        )
    except FileNotFoundError:
        return Done(127, b"", f"{argv[0]}: not found".encode())
    except OSError as error:
        return Done(126, b"", f"{argv[0]}: {error.strerror}".encode())


def _followed(process: subprocess.Popen[bytes], how: Follow, hearing: Hearing) -> None:
    """Hand on what it says until both outputs ended."""
    stdin, stdout, stderr = (cast("IO[bytes]", pipe) for pipe in (process.stdin, process.stdout, process.stderr))
    with suppress(BrokenPipeError):
        stdin.write(how.beginning)
    with selectors.DefaultSelector() as streams:
        streams.register(stdout, selectors.EVENT_READ, hearing.heard)
        streams.register(stderr, selectors.EVENT_READ, hearing.complained)
        while streams.get_map():
            for key, _ in streams.select(LOOK_S):
                piece = os.read(key.fd, PIECE)
                key.data(piece)
                if not piece:
                    streams.unregister(key.fileobj)
            if hearing.over():
                with suppress(BrokenPipeError):
                    stdin.write(how.words)
                stdin.close()
            if hearing.late:
                raise subprocess.TimeoutExpired(process.args, how.patience_s)
    hearing.ended()


def _exchange(process: subprocess.Popen[bytes], feed: Feed, deadline: Deadline) -> tuple[bytes, bytes]:
    """Send the input and read both outputs, whichever is ready, until all three have ended."""
    out, err = bytearray(), bytearray()
    stdin, stdout, stderr = (cast("IO[bytes]", pipe) for pipe in (process.stdin, process.stdout, process.stderr))
    os.set_blocking(stdin.fileno(), False)
    with selectors.DefaultSelector() as streams:
        streams.register(stdin, selectors.EVENT_WRITE)
        streams.register(stdout, selectors.EVENT_READ, out)
        streams.register(stderr, selectors.EVENT_READ, err)
        while streams.get_map():
            if deadline.left() <= 0:
                raise subprocess.TimeoutExpired(process.args, deadline.seconds)
            for key, _ in streams.select(deadline.left()):
                moved = _send(key.fd, feed) if key.data is None else _receive(key.fd, key.data)
                deadline.moved()
                if not moved:
                    streams.unregister(key.fileobj)
                    cast("IO[bytes]", key.fileobj).close()
    return bytes(out), bytes(err)


def _send(handle: int, feed: Feed) -> bool:
    """Send what fits now; whether there may be more. A command may end, or close its input, without reading all."""
    rest = feed.rest()
    if not rest:
        return False
    try:
        feed.sent(os.write(handle, rest[:PIECE]))
    except BlockingIOError:
        pass
    except BrokenPipeError:
        return False
    return True


def _receive(handle: int, into: bytearray) -> bool:
    piece = os.read(handle, PIECE)
    into += piece
    return bool(piece)


@contextmanager
def _storage(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot {what}: {error.strerror}", "free some space, or check the folder") from error
