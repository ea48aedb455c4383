"""Releases on a board: taken in whole, named by digest, switched by one rename.

    <root>/incoming/…             uploads in progress
    <root>/releases/<digest>/     checked bundles
    <root>/current, previous      symbolic links into releases

Whatever happens in between (power cut, kill, full disk), ``current`` points at a whole release or does not exist.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .bundle import open_bundle
from .errors import AgentError, BadRequest, BundleDamaged, StorageFailed
from .wire import ReleaseAnswer, ReleaseAsk

GIVEN_UP_S = 86_400


def release(ask: ReleaseAsk) -> ReleaseAnswer:
    """Check ``ask.incoming`` in as a release, and switch ``current`` to it if asked to.

    Raises BundleDamaged if what arrived is not the bundle ``ask.digest`` names (current stays as it was),
    StorageFailed, BadRequest where ``ask.digest`` is no sha256.
    """
    if not re.fullmatch("[0-9a-f]{64}", ask.digest):  # it becomes a folder's name
        raise BadRequest(f"{ask.digest!r} is not a bundle's digest", "64 hex digits, lower case")
    root = Path(ask.root).expanduser()
    target = root / "releases" / ask.digest
    try:
        with _locked(root):
            if not _holds(target, ask.digest):
                if not ask.incoming:
                    return ReleaseAnswer(False, "", "")
                _take_in(Path(ask.incoming).expanduser(), target, ask.digest)
            previous = _switch(root, ask.digest) if ask.switch else ""
            answer = ReleaseAnswer(True, str(target), previous)
            _forget(root, ask.incoming)
            _clean(root, time.time() - GIVEN_UP_S)
            return answer
    except OSError as error:
        raise StorageFailed(
            f"{root}: {error.strerror or error}", "free some space, or check the permissions"
        ) from error


def _holds(target: Path, digest: str) -> bool:
    """Whether the release is there and whole; one that lost a bit on the card counts as absent, to be mended."""
    try:
        return open_bundle(target).digest == digest
    except AgentError:
        return False


def _take_in(incoming: Path, target: Path, digest: str) -> None:
    arrived = open_bundle(incoming)
    if arrived.digest != digest:
        raise BundleDamaged(f"{incoming} holds {arrived.digest[:12]}, not {digest[:12]}", "push again")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(".fresh")  # ours alone under the lock; what a power cut left there goes first
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for name in arrived.files:
        (fresh / name).write_bytes(arrived.read(name))
        _sync(fresh / name)
    _sync(fresh)
    shutil.rmtree(target, ignore_errors=True)  # a damaged release of that name, if any
    os.rename(fresh, target)
    _sync(target.parent)


def _switch(root: Path, digest: str) -> str:
    """Point ``current`` at the release; returns the digest it pointed at before ("" if none)."""
    current = root / "current"
    before = Path(os.readlink(current)).name if current.is_symlink() else ""
    if before != digest:
        if before:
            _link(root / "previous", before)
        _link(current, digest)
        _sync(root)
    return before


def _link(link: Path, digest: str) -> None:
    fresh = link.with_name(f".{link.name}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(Path("releases") / digest)
    os.replace(fresh, link)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget(root: Path, incoming: str) -> None:
    """Remove an upload that is a release now; what lies outside our own folder of uploads stays."""
    path = Path(incoming).expanduser()
    if path.parent != root / "incoming":
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _clean(root: Path, before: float) -> None:
    """Remove uploads that were last touched before that moment: nobody is going to finish them."""
    for left in (root / "incoming").glob("*"):
        if left.lstat().st_mtime < before:
            _forget(root, str(left))
