"""The links ``current`` and ``previous``, and the trial of a switch, which a cut at any moment leaves to be taken back.

``<root>/current`` and ``previous`` are symbolic links to releases/<digest>; ``<root>/trial.json`` is there while a
switch is on trial and holds the digests that they named before.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from .errors import BadRequest
from .files import SHA256, check_sha256, point, sync, write_whole

LINKS = ("current", "previous")
TRIAL = "trial.json"


def links(root: Path) -> dict[str, str]:
    """The digests that the links name; "" for one that is not there, or names no release."""
    return {name: _digest(root / name) for name in LINKS}


def begin_trial(root: Path, wanted: dict[str, str]) -> None:
    """Point the links at ``wanted``; until ``settle``, ``take_back`` undoes it."""
    write_whole(root / TRIAL, json.dumps(links(root)).encode())
    try:
        _set_links(root, wanted)
    except OSError:
        take_back(root)
        raise


def settle(root: Path) -> None:
    """End a trial: what the links name now stays."""
    (root / TRIAL).unlink(missing_ok=True)
    sync(root)


def take_back(root: Path) -> bool:
    """Undo a trial that failed, or that somebody who was killed had begun; whether there was one."""
    try:
        before = json.loads((root / TRIAL).read_bytes())
        wanted = {name: _checked(before[name]) for name in LINKS}
    except FileNotFoundError:
        return False
    except (ValueError, TypeError, KeyError, RecursionError, BadRequest):
        settle(root)  # not ours, or damaged; what is current gave its golden answers before it was switched to
        return False
    _set_links(root, wanted)
    settle(root)
    return True


def _digest(link: Path) -> str:
    try:
        name = os.path.basename(os.readlink(link))
    except OSError:  # nothing is there, or no link
        return ""
    return name if SHA256.fullmatch(name) else ""


def _checked(digest: str) -> str:
    """A digest or "", as links have them."""
    if digest != "":
        check_sha256(digest)
    return digest


def _set_links(root: Path, wanted: dict[str, str]) -> None:
    """Point both links, ``previous`` first: cut off in between, what is current has not changed."""
    for name in reversed(LINKS):
        if wanted[name]:
            point(root / name, Path("releases") / wanted[name])
        else:
            (root / name).unlink(missing_ok=True)
    sync(root)
