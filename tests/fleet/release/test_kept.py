"""What was pushed from here is remembered, whole or not at all, and not for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bramble.fleet.release import kept
from bramble.fleet.release.coding import LARGE_BYTES, Source, source_of


@pytest.fixture
def folder(home: Path) -> Path:
    """Where it is kept."""
    return home / "cache" / "pushed"


def test_kept_and_found(folder: Path, tmp_path: Path) -> None:
    """Bytes and files are found by their sha256, also when the original is gone; nothing else lies there."""
    (tmp_path / "model").write_bytes(b"one")
    sources = [source_of(tmp_path / "model"), source_of(b"two")]
    for source in sources:
        kept.keep(source)
    (tmp_path / "model").unlink()
    found = [kept.find(source.sha256) for source in sources]
    assert [one.read() for one in found if one] == [b"one", b"two"]
    assert {path.name for path in folder.iterdir()} == {source.sha256 for source in sources}


def test_not_found(folder: Path) -> None:
    """What was never kept, and what is no name of a file."""
    for name in ("0" * 64, "", ".", "..", "../../boards.toml", "/etc/passwd"):
        assert kept.find(name) is None


def test_damaged(folder: Path) -> None:
    """A file that lost a bit is not found; kept again it is mended."""
    source = source_of(b"one")
    kept.keep(source)
    (folder / source.sha256).write_bytes(b"onf")
    assert kept.find(source.sha256) is None
    kept.keep(source)
    assert kept.find(source.sha256) is not None


def test_oldest_go(folder: Path) -> None:
    """So many stay; one that is pushed again counts as new."""
    sources = [source_of(b"%d" % i) for i in range(kept.MOST + 3)]
    for i, source in enumerate(sources[: kept.MOST]):
        kept.keep(source)
        os.utime(folder / source.sha256, (i, i))
    kept.keep(sources[0])
    for source in sources[kept.MOST :]:
        kept.keep(source)
    assert [kept.find(source.sha256) is not None for source in sources] == [
        *(True, False, False, False),
        *[True] * (kept.MOST - 1),
    ]


def test_too_large(folder: Path, tmp_path: Path) -> None:
    """What could not be made a difference of is not copied."""
    kept.keep(Source(tmp_path / "not there", "0" * 64, LARGE_BYTES + 1))
    assert not folder.exists()


def test_cache_that_cannot_be_written(home: Path, tmp_path: Path) -> None:
    """Nothing is remembered, and nothing fails; nor where the original is gone."""
    kept.keep(source_of(b"x"))
    kept.keep(Source(tmp_path / "gone", "1" * 64, 5))
    (home / "cache" / "pushed" / source_of(b"x").sha256).unlink()
    (home / "cache" / "pushed").rmdir()
    (home / "cache" / "pushed").write_text("a file")
    kept.keep(source_of(b"x"))
    assert kept.find(source_of(b"x").sha256) is None
