"""Who holds a device: a real process that has a file open, and a /proc of our own."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path

from bramble_agent.camera.sources.holders import holders, told


def test_a_real_process(tmp_path: Path) -> None:
    """A process that opened the file is named with its id, also by way of a link; we only where nobody else is."""
    device = tmp_path / "video0"
    device.write_bytes(b"")
    (tmp_path / "link").symlink_to(device)
    script = f"import sys; f = open({str(device)!r}); print(1, flush=True); sys.stdin.read()"
    with (
        device.open("rb"),
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        found = holders(str(tmp_path / "link"))
        process.communicate()
        assert told(str(device)) == f"still held by this process itself (pid {os.getpid()})"
    assert [one.rpartition(" ")[2] for one in found] == [f"{process.pid})"]
    assert holders(str(device)) == []


def test_mapped_memory_alone(tmp_path: Path) -> None:
    """A device whose file is closed, but whose memory somebody still has, is held."""
    device = tmp_path / "video0"
    device.write_bytes(bytes(mmap.PAGESIZE))
    with device.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    assert told(str(device)) == f"still held by this process itself (pid {os.getpid()})"
    mapped.close()
    assert told(str(device)) == "held by a process that this user cannot see"


def test_processes_that_cannot_be_seen_or_end(tmp_path: Path) -> None:
    """Folders without files, names that are no processes, and processes without a name do no harm."""
    for name, target in (
        ("12", "/dev/video0"),
        ("7", "/dev/video0"),
        ("300", "/dev/null"),
        (str(os.getpid()), "/dev/video0"),
    ):
        (tmp_path / name / "fd").mkdir(parents=True)
        (tmp_path / name / "fd" / "3").symlink_to(target)
    (tmp_path / "12" / "comm").write_text("motion\n", encoding="utf-8")
    (tmp_path / "99").mkdir()
    (tmp_path / "sys").mkdir()
    assert holders("/dev/video0", tmp_path) == ["a process (pid 7)", "motion (pid 12)"]
    assert told("/dev/video0", tmp_path) == "held by a process (pid 7), motion (pid 12)"
    assert told("/dev/video1", tmp_path) == "held by a process that this user cannot see"
