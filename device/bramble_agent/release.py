"""Releases on a board: taken in whole, named by digest, switched by one rename.

    <root>/incoming/…             uploads in progress
    <root>/releases/<digest>/     checked bundles
    <root>/current, previous      symbolic links into releases

Whatever happens in between (power cut, kill, full disk), ``current`` points at a whole release or does not exist.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .bundle import open_bundle
from .errors import BundleDamaged, StorageFailed
from .wire import ReleaseAnswer, ReleaseAsk

GIVEN_UP_S = 86_400


def release(ask: ReleaseAsk) -> ReleaseAnswer:
    """Check ``ask.incoming`` in as a release and switch ``current`` to it.

    Raises BundleDamaged if what arrived is not the bundle ``ask.digest`` names (current stays as it was),
    StorageFailed.
    """
    root = Path(ask.root).expanduser()
    target = root / "releases" / ask.digest
    try:
        with _locked(root):
            if ask.incoming and not target.exists():
                _take_in(Path(ask.incoming).expanduser(), target, ask.digest)
            if not target.exists():
                return ReleaseAnswer(False, "", "")
            answer = ReleaseAnswer(True, str(target), _switch(root, ask.digest))
            _forget(ask.incoming)
            _clean(root, time.time() - GIVEN_UP_S)
            return answer
    except OSError as error:
        raise StorageFailed(
            f"{root}: {error.strerror or error}", "free some space, or check the permissions"
        ) from error


def _take_in(incoming: Path, target: Path, digest: str) -> None:
    arrived = open_bundle(incoming)
    if arrived.digest != digest:
        raise BundleDamaged(f"{incoming} holds {arrived.digest[:12]}, not {digest[:12]}", "push again")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{digest}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for name in arrived.files:
        (fresh / name).write_bytes(arrived.read(name))
        _sync(fresh / name)
    _sync(fresh)
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
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
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


def _forget(incoming: str) -> None:
    """Remove an upload that is a release now."""
    if incoming:
        path = Path(incoming).expanduser()
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _clean(root: Path, before: float) -> None:
    """Remove uploads that were last touched before that moment: nobody is going to finish them."""
    for left in (root / "incoming").glob("*"):
        if left.stat().st_mtime < before:
            _forget(str(left))
