"""Small steps with files that must survive a power cut."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import BadRequest, StorageFailed

SHA256 = re.compile("[0-9a-f]{64}")


def check_sha256(name: str) -> None:
    """Raise BadRequest for what cannot be a digest: it becomes a file's name."""
    if not SHA256.fullmatch(name):
        raise BadRequest(f"{name!r} is not a digest", "64 hex digits, lower case")


@contextmanager
def storing(root: Path) -> Iterator[None]:
    """Say what the disk refuses, and where: any OSError within becomes StorageFailed."""
    try:
        yield
    except OSError as error:
        where = error.filename or root
        raise StorageFailed(
            f"{where}: {error.strerror or error}", "free some space, or check the permissions"
        ) from error


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def point(link: Path, target: Path) -> None:
    """Make ``link`` a symbolic link to ``target`` in one step, whatever it was before."""
    fresh = link.with_name(f".{link.name}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    os.replace(fresh, link)


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that it is there whole or not at all. For one writer at a time."""
    fresh = path.with_name(f".{path.name}")
    try:
        fresh.write_bytes(data)
        sync(fresh)
        os.replace(fresh, path)
    except OSError:
        with suppress(OSError):  # a full disk is not kept full
            fresh.unlink()
        raise
    sync(path.parent)


def discard(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
