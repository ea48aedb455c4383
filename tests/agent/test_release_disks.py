"""Releases on disks that are full, turned read-only, or no place for a folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bramble_agent.bundle import open_bundle
from bramble_agent.errors import StorageFailed
from bramble_agent.release import release, rollback
from bramble_agent.wire_release import RollbackAsk
from bringing import bring, linked, names, push, request
from making import bundle_digest

from .conftest import Make, Verifier


def fill(disk: Path) -> list[Path]:
    """Use up every place for a file."""
    filler: list[Path] = []
    while True:
        try:
            (disk / f"filler{len(filler)}").touch()
        except OSError:
            return filler
        filler.append(disk / f"filler{len(filler)}")


def test_full_disk(small_disk: Path, make: Make, verifier: Verifier) -> None:
    """Wherever the disk gets full, it is StorageFailed and current is the old release; with room it goes on."""
    a, b = make("a"), make("b")
    push(small_disk, a)
    filler = fill(small_disk)
    refused = 0
    while filler:
        try:
            assert push(small_disk, b).state == "current"
            break
        except StorageFailed as error:
            refused += "space" in error.hint
        assert open_bundle(small_disk / "current").digest == bundle_digest(a)
        filler.pop().unlink()
    assert refused >= 4
    assert linked(small_disk) == (bundle_digest(b), bundle_digest(a))


def test_disk_without_room_for_bytes(small_disk: Path, make: Make, verifier: Verifier) -> None:
    """A file that does not fit leaves nothing behind that keeps the disk full; with room the push works."""
    push(small_disk, make("a"))
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="space"):
        filler.write_bytes(bytes(2 << 20))
    before = os.statvfs(small_disk).f_bavail
    with pytest.raises(StorageFailed, match="space"):
        bring(small_disk, [os.urandom(300_000)])
    assert os.statvfs(small_disk).f_bavail == before
    assert names(small_disk / "incoming") == set()
    filler.unlink()
    assert push(small_disk, make("b")).state == "current"


def test_read_only_disk(small_disk: Path, make: Make, verifier: Verifier) -> None:
    """On a disk that was turned read-only nothing is written, and the refusal says so; a rollback's too."""
    a, b = make("a"), make("b")
    for folder in (a, b):
        push(small_disk, folder)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for ask in (
        lambda: release(request(small_disk, a)),
        lambda: rollback(RollbackAsk(str(small_disk))),
        lambda: bring(small_disk, [b"x"]),
    ):
        with pytest.raises(StorageFailed, match="Read-only"):
            ask()
    assert linked(small_disk) == (bundle_digest(b), bundle_digest(a))


def test_root_that_is_a_file(tmp_path: Path, make: Make, verifier: Verifier) -> None:
    """A root that cannot be a folder is a failure of storage, with its path."""
    (tmp_path / "file").touch()
    for ask in (
        lambda: release(request(tmp_path / "file", make("a"))),
        lambda: rollback(RollbackAsk(str(tmp_path / "file"))),
        lambda: bring(tmp_path / "file", [b"x"]),
    ):
        with pytest.raises(StorageFailed, match=str(tmp_path / "file")):
            ask()
