"""Bits that flip on the way, in the store and in releases; disks that are full or read-only; clocks that are wrong."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

from rig import Outcome, Rig, connect

from bramble.fleet.types import Connection, Done

FILES = ("model.tflite", "labels.txt", "golden.npz")


class Flipping:
    """A connection that flips one bit of the files that it carries."""

    def __init__(self, inner: Connection, at: float, bit: int) -> None:
        """``at`` is where, as a share of what follows the request."""
        self.root, self._inner, self._at, self._bit = inner.root, inner, at, bit
        self.put, self.rename, self.close = inner.put, inner.rename, inner.close

    def run(self, argv: Sequence[str], stdin: bytes | Iterable[bytes], timeout_s: float) -> Done:
        """Pass a question on as it is, files with one bit changed."""
        if not isinstance(stdin, bytes):
            request, *blocks = list(stdin)
            payload = bytearray(b"".join(blocks))
            payload[int(self._at * len(payload))] ^= 1 << self._bit
            stdin = [request, bytes(payload)]
        return self._inner.run(argv, stdin, timeout_s)


def flips_on_the_way(rig: Rig, times: int) -> Iterator[Outcome]:
    """One bit of an upload."""
    chance = random.Random(2)
    for _ in range(times):
        with rig.fresh() as root:
            board = rig.board(root)
            with connect(board) as connection:
                said = rig.operate(board, "push c", Flipping(connection, chance.random(), chance.randrange(8)))
            assert said, "a flipped bit must be noticed"
            yield rig.judge("a bit flipped in the upload", "push c", root, said)


def flips_in_the_store(rig: Rig, times: int) -> Iterator[Outcome]:
    """One bit of a file in the store, before a release is made of it: c's files are there, its release is not."""
    chance = random.Random(3)
    for _ in range(times):
        with rig.fresh() as root:
            rig.operate(rig.board(root), "push c")
            rig.operate(rig.board(root), "rollback")
            shutil.rmtree(root / "releases" / rig.bundles["c"].digest)
            blob = rig.bundles["c"].manifest.files[chance.choice(FILES)].sha256
            (root / "previous").unlink()
            (root / "previous").symlink_to("releases/" + rig.bundles["a"].digest)
            _own_copies(root / "releases")
            _flip(root / "blobs" / blob, chance)
            yield rig.judge("a bit flipped in the store", "push c", root, "")


def flips_in_releases(rig: Rig, times: int) -> Iterator[Outcome]:
    """One bit of the current release's files: it must be noticed, and mended by pushing it again."""
    chance = random.Random(4)
    for _ in range(times):
        with rig.fresh() as root:
            _flip(root / "current" / chance.choice((*FILES, "manifest.json")), chance)
            noticed = not rig.is_whole(root / "current") and rig.is_whole(root / "previous")
            said = rig.operate(rig.board(root), "push b")
            healed = not said and rig.runs_whole(root)
            yield Outcome("a bit flipped in the current release", "push b", noticed, healed, False, said)


def full_disks(rig: Rig, times: int) -> Iterator[Outcome]:
    """From no byte left to nearly enough; afterwards there is room again."""
    needed = 300_000
    for number in range(times):
        with _small_disk(rig) as disk, rig.fresh(disk) as root:
            filler = disk / "filler"
            free = shutil.disk_usage(disk).free - needed * number // times
            with filler.open("wb") as file:
                file.write(b"\0" * max(0, free // 4096 * 4096))
            operation = ("push c", "push c", "rollback")[number % 3]
            with patch("bramble.fleet.release.push.check_fit"):  # else the host does not even try
                said = rig.operate(rig.board(root), operation)
            whole = rig.runs_whole(root)
            filler.unlink()
            seen = rig.judge("a full disk", operation, root, said)
            yield Outcome(seen.fault, operation, seen.whole and whole, seen.healed, seen.leaked, seen.detail)


def read_only_disks(rig: Rig, times: int) -> Iterator[Outcome]:
    """A card that the kernel made read-only, and that is mended."""
    for number in range(times):
        operation = ("push c", "push a", "rollback")[number % 3]
        with _small_disk(rig) as disk, rig.fresh(disk) as root:
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            said = rig.operate(rig.board(root), operation)
            assert said, "a read-only disk must be noticed"
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
            yield rig.judge("a read-only disk", operation, root, said)


def wrong_clocks(rig: Rig, times: int) -> Iterator[Outcome]:
    """A board without a clock: 1970, years back, years ahead."""
    for number in range(times):
        operation = ("push c", "push a", "rollback")[number % 3]
        when = ("1970-01-02 00:00:00", "2016-05-05 05:05:05", "2037-12-31 23:00:00", "2031-01-01 00:00:00")[number % 4]
        with rig.fresh() as root:
            python = root.parent / "python"
            python.write_text(f"#!/bin/sh\nexec faketime -f '@{when}' '{sys.executable}' \"$@\"\n")
            python.chmod(0o755)
            said = rig.operate(rig.board(root, python=str(python)), operation)
            yield rig.judge("a clock wrong by years", operation, root, said)


def _flip(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def _own_copies(folder: Path) -> None:
    """Part the releases' files from the store's: the bit that flips is in the store alone."""
    for path in folder.glob("*/*"):
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)


class _small_disk:  # noqa: N801 - used as a function
    """A file system of 4 MB of its own, unmounted at the end."""

    def __init__(self, rig: Rig) -> None:
        self.path = rig.folder / "disk"

    def __enter__(self) -> Path:
        self.path.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", self.path], check=True)
        return self.path

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", self.path], check=True)
