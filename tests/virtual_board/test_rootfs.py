"""The store of root file systems, and why there can be no board."""

from __future__ import annotations

import dataclasses
import os
import platform
from pathlib import Path

import pytest

from .kinds import ARM64, ARMHF, KINDS
from .needs import MissingError, check_machine
from .rootfs import key, ready


def test_every_kind_has_its_own() -> None:
    """Kinds differ in what they are kept under, and so does a kind after a change."""
    keys = {key(kind) for kind in (*KINDS.values(), dataclasses.replace(ARM64, more_packages=("vim",)))}
    assert len(keys) == 5
    assert key(ARM64).startswith("bookworm-arm64-")


def test_mirror_that_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the mirror a root file system that is not there is missing; one that is there is used."""
    monkeypatch.setenv("BRAMBLE_CACHE", str(tmp_path))
    monkeypatch.setenv("BRAMBLE_MIRROR", "http://127.0.0.1:9/debian")
    with pytest.raises(MissingError, match="mirror of packages does not answer"):
        ready(ARM64)
    (tmp_path / key(ARM64)).mkdir()
    assert ready(ARM64) == tmp_path / key(ARM64)


def test_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root there is no board."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MissingError, match="need root"):
        check_machine(ARM64)


def test_arm_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose own programs would be emulated is left alone."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(MissingError, match="this machine is ARM itself"):
        check_machine(ARM64)


def test_no_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not installed is named with its package."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError, match="unshare is not installed: apt install util-linux"):
        check_machine(ARMHF)
    for tool in ("unshare", "nsenter", "setpriv", "ssh-keygen", "mmdebstrap"):
        (tmp_path / tool).touch(0o755)
    with pytest.raises(MissingError, match="qemu-arm-static is not installed: apt install qemu-user-static"):
        check_machine(ARMHF)
