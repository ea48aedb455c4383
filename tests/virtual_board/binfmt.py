"""Let the kernel run ARM programs: an entry of binfmt_misc, seen by whoever is in the namespace that mounted it.

Flags POCF: P passes argv[0] on, O and F open the emulator now, so that a root file system need not hold it, C lets
set-user-id programs (sudo) be what they are. Since Linux 6.7 the entry is gone with the last mount of binfmt_misc;
where the system itself has it mounted, the entry stays until it is shut down.

    python -m virtual_board.binfmt KIND ROOT COMMAND…     run one command in a root file system
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from .kinds import KINDS, Kind
from .mounts import mount
from .needs import interpreter

FOLDER = Path("/proc/sys/fs/binfmt_misc")


def register(kind: Kind) -> int:
    """Register the emulator of ``kind``; give a handle that keeps the entry while it is open."""
    if not (FOLDER / "register").exists():
        mount("none", FOLDER, "binfmt_misc")
    one = kind.emulator
    entry = f":bramble-{one.name}:M::{one.magic}:{one.mask}:{interpreter(kind)}:POCF"
    with suppress(FileExistsError):
        (FOLDER / "register").write_text(entry)
    return os.open(FOLDER / "status", os.O_RDONLY)


def main() -> None:
    """Become a command of the root file system."""
    name, root, *command = sys.argv[1:]
    kind = KINDS[name]
    register(kind)
    os.chroot(root)
    os.chdir("/")
    os.execve(command[0], command, environment(kind))  # noqa: S606 - no shell is meant


def environment(kind: Kind) -> dict[str, str]:
    """What programs that are started from outside find: always a CPU, without one floats are 9 times slower."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8", "QEMU_CPU": kind.pi.cpu}


if __name__ == "__main__":
    main()
