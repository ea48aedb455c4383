"""The spool's files: appended to in RAM, moved to the disk whole, deleted whole. Nothing is ever written in place.

A file is named by its first event's number. Appending is one write(2), which a killed process has done or not done; a
move is a whole copy beside it, fsync, rename, and only then the old one is deleted. So at every moment, and after a
power cut of what was moved, each event is in one of them; one that is in both is the same.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

from ..files import sync
from .records import read_records

SUFFIX = ".events"
DONE = "done"


@dataclass
class Segment:
    """A file of events ``first`` to ``last``. ``read``: its events are in RAM too; ``born_s`` when it was begun."""

    first: int
    last: int
    path: Path
    size: int
    on_disk: bool
    born_s: float
    read: bool = False


class Segments:
    """Two folders of files, one in RAM and one on the disk (which may not be there yet, or not be writable)."""

    def __init__(self, memory: Path, disk: Path) -> None:
        """Nothing is touched."""
        self._memory, self._disk = memory, disk
        self._handle = -1
        self._open: Segment | None = None

    def found(self, now_s: float) -> Tuple[List[Segment], bytes]:
        """What an earlier process left, in order, and its note of what is done. Half-done moves are cleared up."""
        paths: Dict[str, Tuple[Path, bool]] = {}
        for folder, on_disk in ((self._memory, False), (self._disk, True)):
            for path in sorted(folder.glob(f"*{SUFFIX}*")) if folder.is_dir() else ():
                if path.suffix != SUFFIX or not path.stem.isdigit():
                    path.unlink()  # a copy that was not finished
                    continue
                if path.name in paths:
                    paths[path.name][0].unlink()  # it was copied, and not deleted any more
                paths[path.name] = path, on_disk
        segments: List[Segment] = []
        for name, (path, on_disk) in sorted(paths.items()):
            first = int(name[: -len(SUFFIX)])
            if segments:
                segments[-1].last = first - 1
            segments.append(Segment(first, first - 1, path, path.stat().st_size, on_disk, now_s))
        if segments:
            whole, _ = read_records(segments[-1].path.read_bytes())
            if whole:
                segments[-1].last = whole[-1][0]
            else:
                segments.pop().path.unlink()
        note = b""
        with suppress(OSError):
            note = (self._memory / DONE).read_bytes()
        return segments, note

    def begin(self, first: int, now_s: float) -> Segment:
        """A new file in RAM. Raises OSError."""
        self.seal()
        self._memory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._memory / f"{first:020d}{SUFFIX}"
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._open = Segment(first, first - 1, path, 0, False, now_s)
        return self._open

    @property
    def current(self) -> Segment | None:
        """The file that is appended to."""
        return self._open

    def append(self, line: bytes) -> None:
        """Append to the current file, all or nothing. Raises OSError."""
        current = self._open
        if current is None:
            raise OSError(errno.EBADF, "no file is open")
        written = 0
        try:
            written = os.write(self._handle, line)
        finally:
            if written < len(line):
                os.ftruncate(self._handle, current.size)
        if written < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(current.path))
        current.size += written
        current.last += 1

    def seal(self) -> None:
        """Append no more to the current file."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle, self._open = -1, None

    def copy(self, segment: Segment) -> Path:
        """Copy a file in RAM to the disk, for good. Raises OSError."""
        self._disk.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._disk / segment.path.name
        part = path.with_name(f"{path.name}.part")
        try:
            part.write_bytes(segment.path.read_bytes())
            sync(part)
            os.replace(part, path)
            sync(self._disk)
        except OSError:
            with suppress(OSError):
                part.unlink()
            raise
        return path

    def note(self, data: bytes, place: int) -> None:
        """Write down what is done. Raises OSError."""
        handle = os.open(self._memory / DONE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(handle, data, place)
        finally:
            os.close(handle)

    def clear(self) -> None:
        """Remove the folders, where nothing waits in them."""
        with suppress(OSError):
            (self._memory / DONE).unlink()
        for folder in (self._memory, self._disk):
            with suppress(OSError):
                folder.rmdir()
