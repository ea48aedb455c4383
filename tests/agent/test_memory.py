"""Memory as the kernel books it: read from a status file of known content, and from this very process."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from bramble_agent.memory import peak_rss_bytes, rss_bytes

STATUS = "Name:\tpython3\nVmPeak:\t 500000 kB\nVmHWM:\t  123456 kB\nVmRSS:\t   65536 kB\nRssAnon:\t 1 kB\n"


def test_status_file(tmp_path: Path) -> None:
    """VmRSS and VmHWM are read in KiB."""
    (tmp_path / "status").write_text(STATUS)
    assert rss_bytes(tmp_path / "status") == 64 * 1024 * 1024
    assert peak_rss_bytes(tmp_path / "status") == 123456 * 1024


@pytest.mark.parametrize("text", [None, "", "Name:\tpython3\n"])
def test_without_status(text: str | None, tmp_path: Path) -> None:
    """Where the kernel says nothing, the peak that getrusage knows is given for both."""
    if text is not None:
        (tmp_path / "status").write_text(text)
    least = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for read in (rss_bytes, peak_rss_bytes):
        assert least <= read(tmp_path / "status") <= least + (64 << 20)


def test_growth_and_peak_are_seen() -> None:
    """64 MiB that are touched show in the resident size, and stay in the peak after they are given back."""
    size = 64 << 20
    before = rss_bytes()
    held = bytearray(b"x") * size
    grown = rss_bytes()
    assert len(held) == size
    del held
    assert 0.9 * size < grown - before < 1.5 * size
    assert peak_rss_bytes() >= 0.99 * grown
    assert rss_bytes() < grown - 0.5 * size


def test_peak_is_not_the_parents() -> None:
    """A small process started by this big one reports its own peak, as getrusage would not."""
    held = bytearray(b"x") * (128 << 20)
    code = "from bramble_agent.memory import peak_rss_bytes; print(peak_rss_bytes())"
    path = Path(__file__).parents[2] / "device"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env={"PYTHONPATH": str(path)})
    assert len(held) == 128 << 20
    assert int(said.stdout) < 100 << 20
