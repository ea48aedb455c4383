"""Steps with files that are done whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bramble_agent.errors import BadRequest, StorageFailed
from bramble_agent.files import check_sha256, discard, point, storing, write_whole


def test_write_whole(tmp_path: Path) -> None:
    """A file is there with its new content, and nothing beside it."""
    write_whole(tmp_path / "a.json", b"old")
    write_whole(tmp_path / "a.json", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.json": b"new"}


def test_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it does not fit, the old content stays, and nothing beside it."""
    write_whole(tmp_path / "a.json", b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "a.json", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.json": b"old"}


def test_point(tmp_path: Path) -> None:
    """A link is made, and replaced, a dangling one and a file too."""
    (tmp_path / "file").write_text("x")
    (tmp_path / ".file").symlink_to("left over")
    for target in ("one", "two"):
        point(tmp_path / "file", Path(target))
        assert (tmp_path / "file").readlink() == Path(target)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_discard(tmp_path: Path) -> None:
    """A file, a folder, a link (not what it leads to), and nothing at all."""
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to("kept")
    (tmp_path / "file").touch()
    for name in ("folder", "link", "file", "absent"):
        discard(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("name", ["", "a" * 63, "A" * 64, "a" * 65, "a" * 64 + "\n", "../" + "a" * 61])
def test_no_digest(name: str) -> None:
    """Only 64 hex digits in lower case are a digest."""
    with pytest.raises(BadRequest, match="digest"):
        check_sha256(name)
    check_sha256("0123456789abcdef" * 4)


def test_storing(tmp_path: Path) -> None:
    """What the disk refuses is told with the file's name, or the board's folder where there is none."""
    with pytest.raises(StorageFailed, match=f"^{tmp_path}/no/such: No such file"), storing(tmp_path):
        (tmp_path / "no" / "such").write_text("x")
    with pytest.raises(StorageFailed, match=f"^{tmp_path}: No space left") as caught, storing(tmp_path):
        raise OSError(28, "No space left on device")
    assert "free some space" in caught.value.hint
