"""What stays on a board: the releases used last, the files they need, and the agents that somebody still asks."""

from __future__ import annotations

import os
import time
from collections.abc import Set
from contextlib import suppress
from pathlib import Path

from .bundle import MANIFEST, read_manifest
from .errors import AgentError
from .files import SHA256, discard
from .links import links
from .oneself import HOME
from .remembered import forget
from .store import clear

FRESH = ".fresh"  # in releases: one that is being made, or on its way out
UNUSED_S = 7 * 86_400.0  # an agent that no host asked for a week


def retain(root: Path, keep: int, in_use: str) -> None:
    """Leave ``keep`` releases, then remove files that none of them needs and old agents.

    The current one, the previous one and ``in_use`` always stay and count among them; of the others those that were
    used last. What does not look like ours is let alone.
    """
    folder = root / "releases"
    gone = folder / FRESH
    discard(gone)  # what a cut left on its way out
    stay = {in_use, *links(root).values()}
    ours = [path for path in folder.iterdir() if SHA256.fullmatch(path.name) and not path.is_symlink()]
    others = sorted((path for path in ours if path.name not in stay), key=lambda path: path.stat().st_mtime)
    room = keep - (len(ours) - len(others))
    for path in others[: len(others) - max(0, room)]:
        os.rename(path, gone)  # first by name, so that a half removed release is none
        discard(gone)
        forget(root, path.name)
        (root / "signatures" / f"{path.name}.sig").unlink(missing_ok=True)
    clear(root, needed(root))
    _clear_agents(root / "agents", _of_services(root))


def needed(root: Path) -> Set[str]:
    """The files of the releases that are there, by sha256."""
    found: set[str] = set()
    for path in (root / "releases").glob("*"):
        try:
            manifest = read_manifest((path / MANIFEST).read_bytes(), path)
        except (OSError, AgentError):
            continue
        found |= {fact.sha256 for fact in manifest.files.values()}
    return found


def _of_services(root: Path) -> Set[str]:
    """The agents that services start: who made one wrote its agent's name beside its settings."""
    found: set[str] = set()
    for path in (root / "camera").glob("*.agent"):
        with suppress(OSError, UnicodeError):
            found.add(path.read_text("utf-8").strip())
    return found


def _clear_agents(folder: Path, kept: Set[str]) -> None:
    """Remove agents that nobody asked for a week; each marks the day it is asked on itself."""
    for path in folder.glob("*"):
        if path.name in kept:
            continue
        try:
            idle_s = time.time() - path.lstat().st_mtime
            if path.name == Path(HOME).name:
                if idle_s > 86_400:
                    os.utime(path)
            elif idle_s > UNUSED_S and not path.is_dir():
                path.unlink()
        except FileNotFoundError:  # another host's agent was faster
            continue
