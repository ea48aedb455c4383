"""mount(2) and its kin, by the C library: Python has none of them, and commands would be a process each."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

MS_BIND = 4096
MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str | Path, target: Path, kind: str, data: str = "") -> None:
    """Mount a file system of a ``kind``, making the folder if need be. Raises OSError."""
    target.mkdir(parents=True, exist_ok=True)
    _check(_libc.mount(bytes(Path(source)), bytes(target), kind.encode(), 0, data.encode()), target)


def bind(source: Path, target: Path) -> None:
    """Show a file or folder at another place too, which must be there. Raises OSError."""
    _check(_libc.mount(bytes(source), bytes(target), None, MS_BIND, None), target)


def make_root(folder: Path) -> None:
    """Make a mount point the root of this mount namespace, and let go of the root before. Raises OSError."""
    os.chdir(folder)
    _check(_libc.pivot_root(b".", b"."), folder)
    _check(_libc.umount2(b".", MNT_DETACH), folder)
    os.chdir("/")


def _check(status: int, target: Path) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))
