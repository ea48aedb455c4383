"""A board over SSH: commands here, files in ``files``, the login in ``login``.

Input and both output streams move together under a deadline of our own: one after the other deadlocks past 2 MiB.
Where the library would wait for ever (a server that went silent), the connection is cut when the time is over.
"""

from __future__ import annotations

import select
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import paramiko

from bramble.errors import UnreachableError
from bramble.fleet.feed import Deadline, Feed
from bramble.fleet.follow import LOOK_S, Follow, Hearing
from bramble.fleet.ssh.config import CONNECT_S
from bramble.fleet.ssh.files import BROKEN, SshFiles, broke
from bramble.fleet.ssh.link import SILENCE_S
from bramble.fleet.ssh.login import log_in
from bramble.fleet.ssh.watch import Watch
from bramble.fleet.ssh.words import words
from bramble.fleet.types import Board, Done

PIECE = 1 << 16
WINDOW_S = 0.01
FORBIDDEN = 1  # RFC 4254: administratively prohibited


class SshConnection:
    """A ``Connection`` to a board over SSH."""

    def __init__(self, board: Board) -> None:
        """Connect and log in by key. Raises UnreachableError, or HostKeyError where the key is not the pinned one."""
        self._board = board
        self._link = log_in(board)
        self._files = SshFiles(board, self._link)
        self.root = _from_home(board.root)

    def run(self, argv: Sequence[str], stdin: bytes | Iterable[bytes], timeout_s: float) -> Done:
        """Run a command; every argument is quoted for the remote shell. The status is -1 after any signal.

        The shell becomes the command, so that its parent is the server's process for this connection: a command that
        watches its parent knows when the link is gone.
        """
        deadline = Deadline(timeout_s, sliding=not isinstance(stdin, bytes))
        feed, watch = Feed(stdin, deadline), Watch(deadline, self._link.transport, self.close)
        with self._told(watch, deadline, feed):
            return self._run(f"exec {shlex.join(argv)}", feed, deadline, watch)

    def follow(self, argv: Sequence[str], how: Follow) -> Done:
        """Run a command and hand on its lines; it is quoted and replaces its shell as in ``run``."""
        deadline, hearing = Deadline(float("inf")), Hearing(how)
        watch = Watch(deadline, self._link.transport, self.close)
        with self._told(watch, deadline, Feed(b"", deadline)):
            channel = watch.channel = self._link.transport.open_session(timeout=CONNECT_S)
            try:
                channel.exec_command(f"exec {shlex.join(argv)}")
                self._follow(channel, how, hearing)
                return Done(channel.exit_status, b"", hearing.stderr)
            finally:
                channel.close()

    def _follow(self, channel: paramiko.Channel, how: Follow, hearing: Hearing) -> None:
        """Hand on what it says until it has ended."""
        channel.sendall(how.beginning)
        while not (channel.closed or (channel.eof_received and channel.exit_status_ready())) or _waits(channel):
            if channel.recv_ready():
                hearing.heard(channel.recv(PIECE))
            elif channel.recv_stderr_ready():
                hearing.complained(channel.recv_stderr(PIECE))
            elif channel.eof_received:
                channel.status_event.wait(LOOK_S)
            else:
                select.select([channel], [], [], LOOK_S)
            if hearing.over() and not channel.closed:
                channel.sendall(how.words)
                channel.shutdown_write()
            if hearing.late:
                raise UnreachableError(
                    f"{self._board.name}: it did not end within {how.patience_s:g} s", "the board may be overloaded"
                )
        hearing.ended()
        if channel.exit_status < 0 and not (channel.eof_received and self._link.transport.is_active()):
            raise EOFError("it ended before the command did")

    @contextmanager
    def _told(self, watch: Watch, deadline: Deadline, feed: Feed) -> Iterator[None]:
        """Say of a link that fails within what is the matter with it."""
        try:
            with watch:
                yield
        except (*BROKEN, OSError) as error:
            if error is feed.failure:
                raise
            if watch.silent:
                raise self._silent(SILENCE_S) from error
            if str(error).startswith("Timeout opening channel"):
                raise self._silent(CONNECT_S) from error
            if deadline.left() <= 0:
                raise self._late(deadline) from error
            raise broke(self._board, error) from error

    def _run(self, command: str, feed: Feed, deadline: Deadline, watch: Watch) -> Done:
        transport = self._link.transport
        channel = watch.channel = transport.open_session(timeout=CONNECT_S)
        try:
            channel.exec_command(command)
            out, err = self._exchange(channel, feed, deadline)
            if channel.exit_status < 0 and not (channel.eof_received and transport.is_active()):
                raise EOFError("it ended before the command did")
            return Done(channel.exit_status, out, err)
        except KeyboardInterrupt:
            self.close()  # to end the channel politely could wait for a link that is full
            raise
        finally:
            channel.close()

    def _exchange(self, channel: paramiko.Channel, feed: Feed, deadline: Deadline) -> tuple[bytes, bytes]:
        """Send the input and read both outputs, whichever is ready, until the command has ended."""
        out, err = bytearray(), bytearray()
        while True:
            ended = channel.closed or (channel.eof_received and channel.exit_status_ready())
            sent = 0 if ended else _send(channel, feed)
            got_out = channel.recv(PIECE) if channel.recv_ready() else b""
            got_err = channel.recv_stderr(PIECE) if channel.recv_stderr_ready() else b""
            out += got_out
            err += got_err
            if deadline.left() <= 0:
                raise self._late(deadline)
            if got_out or got_err or sent:
                deadline.moved()
            elif ended:
                return bytes(out), bytes(err)
            else:
                _wait(channel, min(1.0, deadline.left()))

    def put(self, source: Path, target: str) -> None:
        """Upload a file with pipelined writes; what arrived of one that does not fit is removed."""
        self._files.put(source, target)

    def rename(self, source: str, target: str) -> None:
        """Move a file over what is there in one step."""
        self._files.rename(source, target)

    def dial(self, host: str, port: int) -> paramiko.Channel:
        """A stream to an address as the board sees it: loopback there is the board's own. Raises UnreachableError."""
        try:
            return self._link.transport.open_channel("direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=CONNECT_S)
        except paramiko.ChannelException as error:
            refused = error.code == FORBIDDEN
            raise UnreachableError(
                f"{self._board.name}: {host}:{port} cannot be reached through SSH: {words(error)}",
                "its SSH server must allow forwarding (AllowTcpForwarding)" if refused else "does it run there still?",
            ) from error
        except (*BROKEN, OSError) as error:
            raise broke(self._board, error) from error

    def lives(self, seconds: float) -> bool:
        """Whether the link is still there after so long, at most."""
        self._link.transport.join(seconds)
        return self._link.transport.is_active()

    def close(self) -> None:
        """Log out."""
        self._link.close()

    def _late(self, deadline: Deadline) -> UnreachableError:
        return UnreachableError(
            f"{self._board.name}: no answer in {deadline.seconds:g} s", "the board may be overloaded: try again"
        )

    def _silent(self, seconds: float) -> UnreachableError:
        return UnreachableError(
            f"{self._board.name}: no sign of life for {seconds:g} s, not even from its SSH server",
            "the board hangs, or the network between: check its power and cable, then try again",
        )


def _from_home(root: str) -> str:
    """A board's root as a path from the folder where a session starts, which is the home; or absolute."""
    below = root[1:].lstrip("/") if root.startswith("~") else root
    return below.rstrip("/") or ("/" if root.startswith("/") else ".")


def _waits(channel: paramiko.Channel) -> bool:
    """Whether something came that was not read yet."""
    return channel.recv_ready() or channel.recv_stderr_ready()


def _send(channel: paramiko.Channel, feed: Feed) -> int:
    """Send what fits now, and the end after the last piece; a command may end without reading all of it."""
    if channel.eof_sent:
        return 0
    rest = feed.rest()
    try:
        if not rest:
            channel.shutdown_write()
            return 0
        sent = channel.send(bytes(rest[:PIECE])) if channel.send_ready() else 0
    except OSError:
        return 0  # closed in this moment
    feed.sent(sent)
    return sent


def _wait(channel: paramiko.Channel, seconds: float) -> None:
    """Wait for news. After the end of output only the exit status can come, and select would return at once."""
    if not channel.eof_sent:
        with channel.out_buffer_cv:  # room for input; news of the output is looked at soon enough
            if channel.out_window_size == 0 and not channel.closed:
                channel.out_buffer_cv.wait(min(WINDOW_S, seconds))
    elif channel.eof_received:
        channel.status_event.wait(max(0.0, seconds))
    else:
        select.select([channel], [], [], max(0.0, seconds))
