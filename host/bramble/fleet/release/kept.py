"""The models that were pushed from here, by sha256: a new one may be sent as the difference to the one on the board."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from bramble.fleet.release.coding import LARGE_BYTES, Source, source_of
from bramble.places import cache_dir

MOST = 16  # files; the ones that were not used for longest go


def keep(one: Source) -> None:
    """Remember a file. A cache that cannot be written is no reason to fail."""
    if one.size > LARGE_BYTES:
        return
    folder = cache_dir() / "pushed"
    target = folder / one.sha256
    fresh = folder / f".{one.sha256}-{os.getpid()}"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if find(one.sha256):  # what is damaged is written anew
            os.utime(target)
            return
        if isinstance(one.held, bytes):
            fresh.write_bytes(one.held)
        else:
            shutil.copyfile(one.held, fresh)
        fresh.replace(target)
        for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)[:-MOST]:
            old.unlink()


def find(sha256: str) -> Source | None:
    """A file that was pushed before; None if it is not remembered, or is damaged."""
    path = cache_dir() / "pushed" / Path(sha256).name
    try:
        found = source_of(path)
    except OSError:
        return None
    return found if found.sha256 == sha256 else None
