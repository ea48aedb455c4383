"""Files on every way to a board: the same test runs on this machine and over SSH."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bramble.errors import StorageError
from bramble.fleet.types import Connection

NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..")
)


def test_put_is_identical(connection: Connection, tmp_path: Path) -> None:
    """Thirty megabytes arrive with the same sha256, in a folder that was not there."""
    source = tmp_path / "source"
    source.write_bytes(os.urandom(30_000_003))
    target = f"{connection.root}/deep er/dö/big"
    connection.put(source, target)
    told = subprocess.run(["sha256sum", target], check=True, capture_output=True, text=True).stdout
    assert told.split()[0].lstrip("\\") == hashlib.sha256(source.read_bytes()).hexdigest()


def test_put_replaces(connection: Connection, tmp_path: Path) -> None:
    """A shorter file over a longer one leaves nothing of the longer one."""
    target = f"{connection.root}/file"
    for content in (b"x" * 100_000, b"short", b""):
        (tmp_path / "source").write_bytes(content)
        connection.put(tmp_path / "source", target)
        assert Path(target).read_bytes() == content


def test_rename_replaces(connection: Connection, root: Path) -> None:
    """What was there is replaced in one step: who had it open still reads the old file."""
    root.mkdir(parents=True)
    (root / "new").write_text("new")
    (root / "old").write_text("old")
    with (root / "old").open() as held:
        connection.rename(f"{root}/new", f"{root}/old")
        assert held.read() == "old"
    assert (root / "old").read_text() == "new"
    assert not (root / "new").exists()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(folder=NAMES, name=NAMES, content=st.binary(max_size=100))
@example(folder="a b", name="$(touch bramble-was-here)", content=b"1")
@example(folder="-rf", name="--", content=b"2")
@example(folder="'\"`\\", name="*", content=b"3")
@example(folder="\n", name="~", content=b"4")
def test_any_path(connection: Connection, root: Path, folder: str, name: str, content: bytes) -> None:
    """Whatever a path is called, a file is put there, renamed, read and nothing else happens."""
    source = root.parent / "source"
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(content)
    path = f"{root}/{folder}/{name}"
    connection.put(source, f"{path}.part")
    connection.rename(f"{path}.part", path)
    assert [found.name for found in (root / folder).iterdir()] == [name]
    assert connection.run(["cat", path], b"", 30).stdout == content
    shutil.rmtree(root)


def test_rename_of_nothing(connection: Connection, root: Path) -> None:
    """A rename that fails is a storage error with the file's name."""
    with pytest.raises(StorageError, match="/to"):
        connection.rename(f"{root}/from", f"{root}/to")


@pytest.mark.parametrize("target", ["/proc/nowhere/file", "/dev/null/file", "/proc/version"])
def test_put_where_nothing_can_be_written(connection: Connection, tmp_path: Path, target: str) -> None:
    """A place that takes no file, not even from root, is a storage error with its name, and the way stays open."""
    (tmp_path / "source").write_bytes(b"x")
    with pytest.raises(StorageError, match=f"cannot .*{target.split('/')[1]}"):
        connection.put(tmp_path / "source", target)
    assert connection.run(["true"], b"", 30).status == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("size", [1_500_000, 20_000_000])
def test_full_disk(connection: Connection, tmp_path: Path, small_disk: Path, size: int) -> None:
    """A file that does not fit is a storage error, what arrived of it is removed, and the way stays open."""
    source = tmp_path / "source"
    source.write_bytes(bytes(size))
    with pytest.raises(StorageError, match="cannot write") as caught:
        connection.put(source, f"{small_disk}/model.part")
    assert "free some space" in caught.value.hint
    assert list(small_disk.iterdir()) == []
    source.write_bytes(b"small")
    connection.put(source, f"{small_disk}/model.part")
    assert (small_disk / "model.part").read_bytes() == b"small"
