"""Files on a board over SSH, by SFTP. It is opened when the first file is asked for: most work is commands only.

A relative path is below the folder where the session starts, which is the same for commands: the user's home.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from posixpath import dirname
from typing import IO

import paramiko

from bramble.errors import StorageError, UnreachableError
from bramble.fleet.feed import Deadline
from bramble.fleet.ssh.link import SILENCE_S, Link
from bramble.fleet.ssh.watch import Watch
from bramble.fleet.ssh.words import words
from bramble.fleet.types import Board

OPEN_S = 30.0
PIECE = 32_640  # with its header it is one packet, and no server takes less
BROKEN = (paramiko.SSHException, paramiko.SFTPError, EOFError, TimeoutError, ConnectionError)


class SshFiles:
    """What ``Connection`` says of files; the link is cut where nothing moves for a minute."""

    def __init__(self, board: Board, link: Link) -> None:
        self._board, self._link = board, link
        self._opened: tuple[paramiko.SFTPClient, paramiko.Channel] | None = None

    def put(self, source: Path, target: str) -> None:
        """Upload a file with pipelined writes; what arrived of one that does not fit is removed."""
        self._make_folder(dirname(target))
        with self._doing(f"write {target}") as sftp, source.open("rb") as content:
            file = sftp.open(target, "wb")  # no context: to leave one waits for answers, also when the user broke off
            try:
                size = _write(content, file)
                if sftp.stat(target).st_size != size:  # what went wrong at the end is told nowhere else
                    raise OSError("it did not arrive whole")
            except KeyboardInterrupt:
                self._link.close()
                raise
            except BROKEN:
                raise
            except OSError:
                with suppress(*BROKEN, OSError):
                    file.close()
                    sftp.remove(target)
                raise

    def rename(self, source: str, target: str) -> None:
        """Move a file over what is there in one step."""
        with self._doing(f"write {target}") as sftp:
            sftp.posix_rename(source, target)

    def _exists(self, path: str) -> bool:
        with self._doing(f"look at {path}") as sftp:
            try:
                sftp.stat(path)
            except FileNotFoundError:
                return False
            return True

    def _make_folder(self, folder: str) -> None:
        missing = []
        while folder and not self._exists(folder):
            missing.append(folder)
            folder = dirname(folder)
        for path in reversed(missing):
            with self._doing(f"write {path}") as sftp:
                try:
                    sftp.mkdir(path)
                except OSError:
                    if not self._exists(path):  # it is there if another push was faster
                        raise

    def _sftp(self) -> tuple[paramiko.SFTPClient, paramiko.Channel]:
        """The open SFTP session and its channel. Raises UnreachableError where the server offers none."""
        if self._opened is None:
            transport = self._link.transport
            channel = transport.open_session(timeout=OPEN_S)
            channel.settimeout(SILENCE_S)
            try:
                channel.invoke_subsystem("sftp")
                self._opened = paramiko.SFTPClient(channel), channel
            except (paramiko.SSHException, EOFError) as error:
                channel.close()
                if not transport.is_active():
                    raise
                raise UnreachableError(
                    f"{self._board.name}: {self._board.address} offers no SFTP: {error}",
                    "on the board: sudo apt install openssh-server",
                ) from error
        return self._opened

    @contextmanager
    def _doing(self, what: str) -> Iterator[paramiko.SFTPClient]:
        """Turn what SFTP raises into our errors; what the library calls OSError may also be a link that is gone."""
        try:
            with Watch(Deadline(SILENCE_S, sliding=True), self._link.transport, self._link.close) as watch:
                sftp, watch.channel = self._sftp()
                yield sftp
        except (*BROKEN, OSError) as error:
            if isinstance(error, BROKEN) or not self._link.transport.is_active():
                raise broke(self._board, error) from error
            raise StorageError(
                f"{self._board.name}: cannot {what}: {words(error)}", "free some space on the board, check permissions"
            ) from error


def _write(content: IO[bytes], file: paramiko.SFTPFile) -> int:
    """Write all of ``content``, and close; how much that was."""
    file.set_pipelined(True)
    size = 0
    while piece := content.read(PIECE):
        file.write(piece)
        size += len(piece)
    file.close()
    return size


def broke(board: Board, error: Exception) -> UnreachableError:
    """The error for a link that did not hold."""
    return UnreachableError(f"{board.name}: the connection broke: {words(error)}", "check the board, try again")
