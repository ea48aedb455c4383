"""A board over SSH: commands and files. Only this file and ``ssh_login`` know paramiko.

Input and both output streams move together under a deadline of our own: one after the other deadlocks past 2 MiB.
Where the library would wait for ever (a server that went silent), the connection is cut when the time is over.
"""

from __future__ import annotations

import select
import shlex
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from posixpath import dirname, join

import paramiko

from bramble.errors import StorageError, UnreachableError
from bramble.fleet.ssh_login import CONNECT_S, SILENCE_S, log_in
from bramble.fleet.types import Board, Done

PIECE = 1 << 16
BROKEN = (paramiko.SSHException, paramiko.SFTPError, EOFError, TimeoutError, ConnectionError)


class SshConnection:
    """A ``Connection`` to a board over SSH."""

    def __init__(self, board: Board) -> None:
        """Connect and log in by key. Raises UnreachableError, or HostKeyError where the key is not the pinned one."""
        self._board = board
        self._client = log_in(board)
        try:
            with self._cut_after(CONNECT_S):
                self._files = self._transport().open_session(timeout=CONNECT_S)
                self._files.invoke_subsystem("sftp")
                self._files.settimeout(SILENCE_S)
                self._sftp = paramiko.SFTPClient(self._files)
                home = self._sftp.normalize(".")
        except (*BROKEN, OSError) as error:
            self.close()
            raise UnreachableError(
                f"{board.name}: {board.address} offers no SFTP: {error}",
                "on the board: sudo apt install openssh-server",
            ) from error
        below = board.root.removeprefix("~").lstrip("/") if board.root.startswith("~") else board.root
        self.root = join(home, below).rstrip("/")

    def run(self, argv: Sequence[str], stdin: bytes, timeout_s: float) -> Done:
        """Run a command; every argument is quoted for the remote shell. The status is -1 after any signal."""
        deadline = time.monotonic() + timeout_s
        try:
            with self._cut_after(timeout_s + 1.0):
                return self._run(shlex.join(argv), stdin, deadline)
        except (*BROKEN, OSError) as error:
            if time.monotonic() >= deadline:
                raise self._late() from error
            raise self._broke(error) from error

    def _run(self, command: str, stdin: bytes, deadline: float) -> Done:
        transport = self._transport()
        with transport.open_session(timeout=CONNECT_S) as channel:
            channel.exec_command(command)
            out, err = self._exchange(channel, stdin, deadline)
            if channel.exit_status < 0 and not (channel.eof_received and transport.is_active()):
                raise EOFError("it ended before the command did")
            return Done(channel.exit_status, out, err)

    def _exchange(self, channel: paramiko.Channel, stdin: bytes, deadline: float) -> tuple[bytes, bytes]:
        """Send ``stdin`` and read both outputs, whichever is ready, until the command has ended."""
        out, err, rest = bytearray(), bytearray(), memoryview(stdin)
        if not rest:
            channel.shutdown_write()
        while True:
            ended = channel.closed or (channel.eof_received and channel.exit_status_ready())
            sent = _send(channel, rest)
            rest = rest[sent:]
            got_out = channel.recv(PIECE) if channel.recv_ready() else b""
            got_err = channel.recv_stderr(PIECE) if channel.recv_stderr_ready() else b""
            out += got_out
            err += got_err
            if time.monotonic() >= deadline:
                raise self._late()
            if got_out or got_err or sent:
                continue
            if ended:
                return bytes(out), bytes(err)
            _wait(channel, 0.02 if rest else min(1.0, deadline - time.monotonic()))

    def size(self, path: str) -> int | None:
        """The size of a file, None where there is none."""
        found = self._stat(path)
        return found.st_size if found is not None and stat.S_ISREG(found.st_mode or 0) else None

    def put(self, source: Path, target: str) -> None:
        """Upload a file with pipelined writes; what arrived of one that does not fit is removed."""
        with self._doing(f"write {target}"):
            self._make_folder(dirname(target))
            try:
                self._sftp.put(str(source), target)
            except BROKEN:
                raise
            except OSError:
                with suppress(*BROKEN, OSError):
                    self._sftp.remove(target)
                raise

    def rename(self, source: str, target: str) -> None:
        """Move a file over what is there in one step."""
        with self._doing(f"write {target}"):
            self._sftp.posix_rename(source, target)

    def close(self) -> None:
        """Log out."""
        self._client.close()

    def _stat(self, path: str) -> paramiko.SFTPAttributes | None:
        with self._doing(f"look at {path}"):
            try:
                return self._sftp.stat(path)
            except FileNotFoundError:
                return None

    def _make_folder(self, folder: str) -> None:
        missing = []
        while folder and self._stat(folder) is None:
            missing.append(folder)
            folder = dirname(folder)
        for path in reversed(missing):
            try:
                self._sftp.mkdir(path)
            except OSError:
                if self._stat(path) is None:  # it is there if another push was faster
                    raise

    def _transport(self) -> paramiko.Transport:
        transport = self._client.get_transport()
        if transport is None:
            raise EOFError("it is closed")
        return transport

    @contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        """Turn what SFTP raises into our errors; what the library calls OSError may also be a closed channel."""
        try:
            yield
        except (*BROKEN, OSError) as error:
            if isinstance(error, BROKEN) or self._files.closed:
                raise self._broke(error) from error
            raise StorageError(
                f"{self._board.name}: cannot {what}: {error}", "free some space on the board, check permissions"
            ) from error

    @contextmanager
    def _cut_after(self, seconds: float) -> Iterator[None]:
        """Cut the connection if the work inside takes longer: some of the library's waits have no timeout."""
        timer = threading.Timer(seconds, self._client.close)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _broke(self, error: Exception) -> UnreachableError:
        return UnreachableError(
            f"{self._board.name}: the connection broke: {str(error) or type(error).__name__}",
            "check the board, try again",
        )

    def _late(self) -> UnreachableError:
        return UnreachableError(f"{self._board.name}: no answer in time", "the board may be overloaded")


def _send(channel: paramiko.Channel, rest: memoryview) -> int:
    """Send what fits now, and the end after the last piece; a command may end without reading all of it."""
    if not rest or channel.closed or not channel.send_ready():
        return 0
    try:
        sent = channel.send(bytes(rest[:PIECE]))
        if sent == len(rest):
            channel.shutdown_write()
    except OSError:
        return 0  # closed in this moment
    return sent


def _wait(channel: paramiko.Channel, seconds: float) -> None:
    """Wait for news. After the end of output only the exit status can come, and select would return at once."""
    if channel.eof_received:
        channel.status_event.wait(seconds)
    else:
        select.select([channel], [], [], max(0.0, seconds))
