"""What this board is and how it is doing, from files that a Pi's kernel provides; None where it provides none.

Every function takes the root of the file system, so that tests show it a Raspberry Pi's /sys and /proc. Userland
matters, not kernel: a 64-bit kernel under a 32-bit userland is common, so bits come from this Python's pointers, not
from uname.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import struct
import subprocess
import time
from pathlib import Path

from .installed import available, version_of
from .wire import BoardFacts, Snapshot

ROOT = Path("/")
THROTTLES_C = 80.0  # where a Pi's firmware begins to lower the clock
COLDEST_C = 40.0  # no board throttles below that: a trip point there is another thing
PATIENCE_S = 5.0  # a firmware that does not answer must not hold up the answer


def facts(home: Path, root: Path = ROOT) -> BoardFacts:
    """The board's facts; ``home`` is where Bramble keeps its releases (for the free space there)."""
    meminfo = _table(root / "proc/meminfo")
    return BoardFacts(
        model=model(root),
        hostname=platform.node(),
        machine=platform.machine(),
        userland_bits=struct.calcsize("P") * 8,
        system=_system(root),
        kernel=platform.release(),
        libc=_libc(),
        python=platform.python_version(),
        cpu=_table(root / "proc/cpuinfo").get("model name") or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=_kib(meminfo.get("MemTotal")),
        memory_available_bytes=_kib(meminfo.get("MemAvailable")),
        disk_free_bytes=_free(home),
        clock_s=time.time(),
        runtimes=available(),
        numpy=version_of("numpy"),
        pillow=version_of("pillow"),
    )


def snapshot(root: Path = ROOT) -> Snapshot:
    """Governor, frequency, temperature, throttling and load at this moment."""
    policy = root / "sys/devices/system/cpu/cpufreq/policy0"
    load = _text(root / "proc/loadavg")
    times = os.times()
    return Snapshot(
        clock_s=time.time(),
        governor=_text(policy / "scaling_governor") or None,
        freq_khz=_integer(policy / "scaling_cur_freq"),
        freq_max_khz=_integer(policy / "cpuinfo_max_freq"),
        temp_c=temp_c(root),
        throttled_bits=throttled_bits(root),
        load1=float(load.split()[0]) if load else None,
        busy_cpu_s=_busy_seconds(root),
        own_cpu_s=times.user + times.system,
    )


def model(root: Path = ROOT) -> str:
    """The board's name: the device tree's, else the BIOS', else the architecture."""
    name = _text(root / "proc/device-tree/model").rstrip("\0")
    return name or _text(root / "sys/class/dmi/id/product_name") or f"generic {platform.machine()}"


def temp_c(root: Path = ROOT) -> float | None:
    """The processor's temperature."""
    temp = _integer(root / "sys/class/thermal/thermal_zone0/temp")
    return None if temp is None else temp / 1000.0


def throttles_at_c(root: Path = ROOT) -> float:
    """Where the board begins to throttle: 80 °C as a Pi's firmware, or the kernel's lowest passive trip point below."""
    zone = root / "sys/class/thermal/thermal_zone0"
    kinds = {path: _text(path) for path in zone.glob("trip_point_*_type")}
    trips = [_integer(path.with_name(path.name[:-4] + "temp")) for path, kind in kinds.items() if kind == "passive"]
    told = [trip / 1000.0 for trip in trips if trip is not None]
    return min([THROTTLES_C, *(trip for trip in told if trip >= COLDEST_C)])


def _system(root: Path) -> str:
    for line in _text(root / "etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return platform.system()


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "unknown"
    except (ValueError, OSError):  # not glibc
        return "unknown"


def throttled_bits(root: Path = ROOT) -> int | None:
    """The firmware's throttle bits (0 under-voltage, 1 capped, 2 throttled, 3 soft limit; +16: since boot)."""
    said = _text(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
    tool = shutil.which("vcgencmd") if root == ROOT else None
    if not said and tool:
        try:
            command = [tool, "get_throttled"]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        except (OSError, subprocess.SubprocessError):
            return None
        said = done.stdout.strip()
    bits = re.fullmatch(r"(?:throttled=)?(?:0x)?([0-9a-fA-F]+)", said)  # anything else is the firmware's complaint
    return int(bits.group(1), 16) if bits else None


def _busy_seconds(root: Path) -> float | None:
    """CPU seconds used by the whole machine since boot (user, nice, system, irq, softirq, steal)."""
    first = _text(root / "proc/stat").partition("\n")[0].split()
    if len(first) < 9:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(value) for value in first[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _free(home: Path) -> int | None:
    for folder in (home, *home.parents):
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            continue
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _integer(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.lstrip("-").isdigit() else None


def _table(path: Path) -> dict[str, str]:
    """The first value of each ``key: value`` line."""
    found: dict[str, str] = {}
    for line in _text(path).splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    return found


def _kib(value: str | None) -> int | None:
    return int(value.split()[0]) * 1024 if value else None
