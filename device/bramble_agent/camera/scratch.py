"""A folder in RAM that outlives the process: what is written there survives a crash and wears no SD card.

It is in /dev/shm, belongs to one folder on the disk, and to nobody but this user. Gone after a reboot.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

SHARED = Path("/dev/shm")  # noqa: S108 - looked at before it is used


def scratch(disk: Path, shared: Path = SHARED) -> Path:
    """The folder in RAM that belongs to ``disk``, made if missing; one within ``disk`` where there is no such place."""
    ours = shared / f"bramble-{os.geteuid()}"
    try:
        ours.mkdir(mode=0o700, exist_ok=True)
        found = ours.lstat()
        # anybody may make folders in /dev/shm: one that was laid there for us to fall into is not used
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PermissionError(f"{ours} is not ours alone")
        folder = ours / hashlib.sha256(os.fsencode(os.path.abspath(disk))).hexdigest()[:16]
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        folder = disk / ".now"
        folder.mkdir(parents=True, exist_ok=True)
    return folder
