"""The folder in RAM: ours alone, one for each folder on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bramble_agent.camera.scratch import scratch


def test_one_for_each_folder(tmp_path: Path) -> None:
    """The same again for the same, another for another; nobody else may look."""
    shared = tmp_path / "shm"
    shared.mkdir()
    one = scratch(tmp_path / "a", shared)
    assert scratch(tmp_path / "a", shared) == one
    assert scratch(tmp_path / "b", shared) != one
    assert one.parent == shared / f"bramble-{os.geteuid()}"
    assert [path.stat().st_mode & 0o777 for path in (one, one.parent)] == [0o700, 0o700]


@pytest.mark.parametrize("trap", ["link", "open", "file", "nowhere"])
def test_a_trap_is_not_used(trap: str, tmp_path: Path) -> None:
    """Where somebody else could read or swap the files, or there is no RAM disk, they are beside those on the disk."""
    shared, ours = tmp_path / "shm", tmp_path / "shm" / f"bramble-{os.geteuid()}"
    if trap != "nowhere":
        shared.mkdir()
    if trap == "link":
        (tmp_path / "theirs").mkdir(mode=0o700)
        ours.symlink_to(tmp_path / "theirs")
    elif trap == "open":
        ours.mkdir()
        ours.chmod(0o777)
    elif trap == "file":
        ours.write_text("")
    assert scratch(tmp_path / "a", shared) == tmp_path / "a" / ".now"
    assert (tmp_path / "a" / ".now").is_dir()
