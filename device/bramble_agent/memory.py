"""This process's memory, from the kernel's own books: resident now, and the highest ever.

VmHWM, not getrusage's ru_maxrss: the latter is inherited over exec and would show the parent's peak.
"""

from __future__ import annotations

import resource
from pathlib import Path

STATUS = Path("/proc/self/status")


def rss_bytes(status: Path = STATUS) -> int:
    """Resident set size now (VmRSS); where /proc is not there, the peak that getrusage knows."""
    return _field("VmRSS", status)


def peak_rss_bytes(status: Path = STATUS) -> int:
    """Highest resident set size since the process began (VmHWM)."""
    return _field("VmHWM", status)


def _field(name: str, status: Path) -> int:
    try:
        for line in status.read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
