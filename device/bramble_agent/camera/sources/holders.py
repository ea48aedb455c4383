"""Who holds a device: the processes that have it open or its memory mapped, found in /proc as ``fuser`` does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List

PROC = Path("/proc")


def holders(device: str, proc: Path = PROC) -> List[str]:
    """Every other process that holds ``device``, as "name (pid 123)", as far as this user may see."""
    found = []
    real = os.path.realpath(device)
    for folder in sorted(proc.iterdir(), key=lambda one: (len(one.name), one.name)):
        if folder.name.isdigit() and int(folder.name) != os.getpid() and _holds(folder, real):
            found.append(f"{_name(folder)} (pid {folder.name})")
    return found


def told(device: str, proc: Path = PROC) -> str:
    """What to say of a busy device: who holds it, or that it cannot be seen."""
    names = holders(device, proc)
    if names:
        return f"held by {', '.join(names)}"
    if _holds(proc / str(os.getpid()), os.path.realpath(device)):  # a thread of ours that hangs in a call
        return f"still held by this process itself (pid {os.getpid()})"
    return "held by a process that this user cannot see"


def _holds(folder: Path, device: str) -> bool:
    return _has_open(folder / "fd", device) or _has_mapped(folder / "maps", device)


def _has_open(folder: Path, device: str) -> bool:
    try:
        names = os.listdir(folder)
    except OSError:  # another user's, or it ended while we looked
        return False
    return any(_target(folder / name) == device for name in names)


def _has_mapped(maps: Path, device: str) -> bool:
    try:
        lines = maps.read_bytes().splitlines()
    except OSError:
        return False
    return any(line.endswith(b" " + os.fsencode(device)) for line in lines)


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:  # closed while we looked
        return ""


def _name(folder: Path) -> str:
    try:
        return (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a process"
