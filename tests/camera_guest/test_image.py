"""Why there can be no emulated machine, and the parts of its image that take no machine to check."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from virtual_board.needs import MissingError

from . import image


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tool that is not there is told with its package, so that a skipped test says what to install."""
    which = shutil.which
    for tool, package in image.TOOLS.items():
        monkeypatch.setattr(shutil, "which", lambda name, tool=tool: None if name == tool else which(name) or name)
        with pytest.raises(MissingError, match=f"{tool} is not installed: apt install {package}"):
            image.check()


def test_mirror_that_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the mirror there is no image, and nothing half-made stays."""
    monkeypatch.setenv("BRAMBLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BRAMBLE_MIRROR", "http://127.0.0.1:9/debian")
    with pytest.raises(MissingError, match="mirror of packages does not answer"):
        image.ready()
    assert not (tmp_path / "cache").exists()


def test_modules_in_order(tmp_path: Path) -> None:
    """What a module needs is loaded before it, what needs nothing more than once only once."""
    listed = tmp_path / "modules.dep"
    listed.write_text("fs/ext4.ko: fs/jbd2.ko lib/crc16.ko\nfs/jbd2.ko:\nlib/crc16.ko:\nnet/a.ko: lib/crc16.ko\n")
    assert image.in_order(listed, ("jbd2", "ext4", "a")) == ["fs/jbd2.ko", "lib/crc16.ko", "fs/ext4.ko", "net/a.ko"]


def test_folders_as_the_kernel_takes_them(tmp_path: Path) -> None:
    """An archive of the new portable format, with each file's mode and what is in it."""
    if shutil.which("cpio") is None:
        pytest.skip("cpio is not installed: apt install cpio")
    (tmp_path / "own/etc").mkdir(parents=True)
    (tmp_path / "own/etc/key").write_text("secret")
    (tmp_path / "own/etc/key").chmod(0o600)
    held = image.packed(tmp_path)
    at = held.index(b"own/etc/key\0") - 110
    assert held[at : at + 6] == b"070701"
    assert int(held[at + 14 : at + 22], 16) == 0o100600
    assert b"secret" in held
