"""Events as lines of JSON at the end of a file, which is rotated: PATH, PATH.1 (younger), PATH.2 …

Each line is one write(2): a killed process has written it or not. What a power cut left of one is cleared up at the
next start. Lines are made to reach the card (fsync) as long as the day's write budget is not being used up faster than
the day; beyond that the kernel does so within half a minute. With no budget left events wait.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ActionFailed, BadRequest
from ..budget import Budget, synced
from ..event import Event, event_json
from .settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOWN = ("rotate_bytes", "keep")
BEGIN = b'{"id":'
NEVER = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG)
LONGEST = 1 << 20


class JsonLines:
    """An action."""

    pictures = False
    kept = True

    def __init__(self, path: str, settings: Settings, budget: Budget) -> None:
        """``rotate_bytes`` is the size of a file (10 MiB), ``keep`` how many old ones stay (5)."""
        self._path = Path(path).expanduser()
        self._rotate_bytes = settings.whole("rotate_bytes", 10 << 20, 1_000)
        self._keep = settings.whole("keep", 5, 0, 1_000)
        self._budget = budget
        self._handle = -1

    def open(self) -> None:
        """Open the file and heal its end. Raises BadRequest where it cannot be, or is no file of ours."""
        self.close()
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            if not stat.S_ISREG(os.fstat(self._handle).st_mode):
                self.close()
                raise BadRequest(f"{self._path} is no file", "give a file, like jsonl:/home/pi/events.jsonl")
            self._heal()
        except OSError as error:
            self.close()
            if error.errno in NEVER:
                raise BadRequest(f"{self._path}: {error.strerror}", self._hint(error.errno)) from error
            raise self._failed(error) from error

    def _hint(self, number: int | None) -> str:
        if number in (errno.EACCES, errno.EPERM):
            return "this user may not write there: name a file in a folder where it may, like jsonl:~/events.jsonl"
        if number == errno.EISDIR:
            return f"that is a folder: name a file in it, like jsonl:{self._path / 'events.jsonl'}"
        if number == errno.ENAMETOOLONG:
            return "give a shorter name"
        if self._path.parent.is_dir():
            return f"no file can be made in {self._path.parent}: name one in another folder"
        return f"there is no folder {self._path.parent}: make it, or name a file in one that is there"

    def _heal(self) -> None:
        """Cut off a line that was not finished, if it is one of ours."""
        size = os.fstat(self._handle).st_size
        end = os.pread(self._handle, LONGEST, max(0, size - LONGEST))
        half = end[end.rfind(b"\n") + 1 :]
        if not half:
            return
        # a file system that lost power may leave zeros where the data should have been
        if not half.strip(b"\0").startswith(BEGIN) and not BEGIN.startswith(half.strip(b"\0")):
            raise BadRequest(f"{self._path} is there, and no file of events", "give another name, or move it away")
        os.ftruncate(self._handle, size - len(half))

    def act(self, event: Event, picture: NDArray[Any] | None) -> None:
        """Write a line. Raises ActionFailed where the disk is full, or the day's budget used up."""
        line = json.dumps(event_json(event), separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        if not self._budget.spend(len(line)):
            raise ActionFailed("the day's write budget is used up", "events wait; raise write_bytes_per_day")
        try:
            self._turn(len(line))
            self._append(line)
            if self._budget.spare(synced(0)):
                os.fsync(self._handle)
        except OSError as error:
            self.close()
            raise self._failed(error) from error
        except BadRequest as error:  # the folder was there at the start: it may come back
            raise ActionFailed(error.message, error.hint) from error

    def _append(self, line: bytes) -> None:
        size = os.fstat(self._handle).st_size
        written = os.write(self._handle, line)
        if written < len(line):
            with suppress(OSError):
                os.ftruncate(self._handle, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _turn(self, size: int) -> None:
        """Open the file anew where somebody else moved it away, and rotate it where it is full."""
        if self._handle < 0 or not self._same():
            self.open()
        held = os.fstat(self._handle).st_size
        if not held or held + size <= self._rotate_bytes:
            return
        os.fsync(self._handle)
        for number in range(self._keep - 1, -1, -1):
            with suppress(FileNotFoundError):
                os.replace(self._named(number), self._named(number + 1))
        if not self._keep:
            self._path.unlink()
        self.open()

    def _same(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._handle))
        except FileNotFoundError:
            return False

    def _named(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def _failed(self, error: OSError) -> ActionFailed:
        return ActionFailed(f"{self._path}: {error.strerror}", "free some space, or check the permissions")

    def close(self) -> None:
        """Close the file."""
        if self._handle >= 0:
            with suppress(OSError):
                os.close(self._handle)
        self._handle = -1
