"""Files on a board over SSH, by SFTP. It is opened when the first file is asked for: most work is commands only.

A relative path is below the folder where the session starts, which is the same for commands: the user's home.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from posixpath import dirname

import paramiko

from bramble.errors import StorageError, UnreachableError
from bramble.fleet.types import Board

OPEN_S = 30.0
SILENCE_S = 60.0
BROKEN = (paramiko.SSHException, paramiko.SFTPError, EOFError, TimeoutError, ConnectionError)


class SshFiles:
    """What ``Connection`` says of files. ``cut_after`` cuts the link if what is done within takes longer."""

    def __init__(
        self,
        board: Board,
        transport: Callable[[], paramiko.Transport],
        cut_after: Callable[[float], AbstractContextManager[None]],
    ) -> None:
        self._board, self._transport, self._cut_after = board, transport, cut_after
        self._opened: paramiko.SFTPClient | None = None

    def size(self, path: str) -> int | None:
        """The size of a file, None where there is none."""
        found = self.stat(path)
        return found.st_size if found is not None and stat.S_ISREG(found.st_mode or 0) else None

    def put(self, source: Path, target: str) -> None:
        """Upload a file with pipelined writes; what arrived of one that does not fit is removed."""
        self._make_folder(dirname(target))
        with self._doing(f"write {target}") as sftp:
            try:
                sftp.put(str(source), target)
            except BROKEN:
                raise
            except OSError:
                with suppress(*BROKEN, OSError):
                    sftp.remove(target)
                raise

    def rename(self, source: str, target: str) -> None:
        """Move a file over what is there in one step."""
        with self._doing(f"write {target}") as sftp:
            sftp.posix_rename(source, target)

    def stat(self, path: str) -> paramiko.SFTPAttributes | None:
        """What is at a path, None where nothing is."""
        with self._doing(f"look at {path}") as sftp:
            try:
                return sftp.stat(path)
            except FileNotFoundError:
                return None

    def _make_folder(self, folder: str) -> None:
        missing = []
        while folder and self.stat(folder) is None:
            missing.append(folder)
            folder = dirname(folder)
        for path in reversed(missing):
            with self._doing(f"write {path}") as sftp:
                try:
                    sftp.mkdir(path)
                except OSError:
                    if self.stat(path) is None:  # it is there if another push was faster
                        raise

    def _sftp(self) -> paramiko.SFTPClient:
        """The open SFTP session. Raises UnreachableError where the server offers none."""
        if self._opened is None:
            with self._cut_after(OPEN_S):
                self._opened = self._open(self._transport())
        return self._opened

    def _open(self, transport: paramiko.Transport) -> paramiko.SFTPClient:
        channel = transport.open_session(timeout=OPEN_S)
        channel.settimeout(SILENCE_S)
        try:
            channel.invoke_subsystem("sftp")
            return paramiko.SFTPClient(channel)
        except (paramiko.SSHException, EOFError) as error:
            channel.close()
            if not transport.is_active():
                raise
            raise UnreachableError(
                f"{self._board.name}: {self._board.address} offers no SFTP: {error}",
                "on the board: sudo apt install openssh-server",
            ) from error

    @contextmanager
    def _doing(self, what: str) -> Iterator[paramiko.SFTPClient]:
        """Turn what SFTP raises into our errors; what the library calls OSError may also be a closed channel."""
        try:
            yield self._sftp()
        except (*BROKEN, OSError) as error:
            if isinstance(error, BROKEN) or not self._transport().is_active():
                raise broke(self._board, error) from error
            raise StorageError(
                f"{self._board.name}: cannot {what}: {error}", "free some space on the board, check permissions"
            ) from error


def broke(board: Board, error: Exception) -> UnreachableError:
    """The error for a link that did not hold."""
    return UnreachableError(
        f"{board.name}: the connection broke: {str(error) or type(error).__name__}", "check the board, try again"
    )
