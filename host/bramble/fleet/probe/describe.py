"""From the records of ``probe.sh`` to a Survey. Nothing a board says is an error: what makes no sense is not known."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from bramble.fleet.probe.cameras import busy, cameras_of, denied
from bramble.fleet.probe.records import Records, integer, plain
from bramble.fleet.probe.silicon import board_model, cpu_features, cpu_name, soc_name
from bramble.fleet.probe.survey import Interpreter, Survey

ELF_MACHINES = {(1, 3): "i386", (2, 62): "amd64", (2, 183): "arm64", (2, 243): "riscv64", (1, 243): "riscv32"}
ELF_ARM, HARD_FLOAT = (1, 40), 0x400
ARCHITECTURES = {"aarch64": "arm64", "armv7": "armhf", "armhf": "armhf", "x86_64": "amd64", "x86": "i386"}  # Alpine's
MONITOR = re.compile(r"ina\d{3,4}", re.IGNORECASE)
BITS = re.compile(r"(?:throttled=)?(?:0x)?([0-9a-fA-F]{1,8})")
UNDER_VOLTAGE = 1
SPACE = re.compile(r"(\d+)\s+(\d+)\s+(\d+)\s+\d+%")


def describe(told: Records, clock_skew_s: float | None) -> Survey:
    """The survey; strings are "" and numbers None where the board did not say."""
    cpuinfo = told.all("cpuinfo")
    model = told.first("tree_model") or board_model(cpuinfo) or told.first("dmi_model")
    system = _system(told)
    space = SPACE.search(told.first("disk"))
    return Survey(
        model=model or f"generic {told.first('machine')}".rstrip(),
        soc=soc_name(told.first("compatible"), model),
        hostname=told.first("hostname"),
        machine=told.first("machine"),
        userland=_userland(told),
        system=system.get("PRETTY_NAME", ""),
        kernel=told.first("kernel"),
        libc=_libc(told),
        libstdcxx=_libstdcxx(told),
        cores=_count(told.first("online")) or integer(told.first("processors")),
        cpu=cpu_name(cpuinfo),
        cpu_features=cpu_features(cpuinfo),
        memory_bytes=_kib(told, "MemTotal"),
        memory_available_bytes=_kib(told, "MemAvailable"),
        disk_free_bytes=int(space[3]) * 1024 if space else None,
        clock_skew_s=clock_skew_s,
        systemd=told.has("systemd"),
        sudo=told.first("sudo") if told.first("sudo") in ("root", "free", "password") else "",
        user=told.first("user"),
        home=told.first("home"),
        sensors=_sensors(told),
        tools=told.all("tool"),
        pythons=_pythons(told),
        system_id=f"{system.get('ID', '')} {system.get('VERSION_ID', '')}".strip(),
        folder_writable=told.first("writable") != "no",
        missing_pythons=told.all("missing_python"),
        broken_pythons=tuple(plain(": ".join(one.split("\t")[::2])) for one in told.all("broken_python")),
        current=_release(told, "current"),
        previous=_release(told, "previous"),
        **_state(told),
        **_cameras(told),
    )


def _release(told: Records, link: str) -> str:
    """Name and short digest of a release; what is no digest is not known."""
    digest, _, name = told.first(f"release_{link}").partition(" ")
    return f"{name} {digest[:12]}".strip() if re.fullmatch(r"[0-9a-f]{64}", digest) else ""


def _state(told: Records) -> dict[str, Any]:
    """How the board is doing: frequency, temperature, throttling, what the root file system stands on."""
    pairs = [[integer(one) for one in line.split()] for line in told.all("frequency")]
    fastest = max(
        (pair for pair in pairs if len(pair) == 2 and None not in pair), key=lambda pair: pair[1] or 0, default=[]
    )
    mount = told.first("root_mount").split()
    options = mount[3].split(",") if len(mount) > 3 else []
    return {
        "governor": ", ".join(dict.fromkeys(told.all("governor"))),
        "governor_driver": told.first("driver"),
        "freq_khz": fastest[0] if fastest else None,
        "freq_max_khz": fastest[1] if fastest else None,
        "temp_c": _temperature(told),
        "throttled_bits": _throttled(told),
        "root_read_only": "ro" in options,
        "root_in_memory": told.has("root_overlay"),
        "swap_on_card": _swap_on_card(told, mount[0] if mount else ""),
    }


def _cameras(told: Records) -> dict[str, Any]:
    videos = told.all("video")
    return {
        "cameras": cameras_of(videos, told.all("subdevice"), told.first("legacy_camera")),
        "cameras_busy": busy(videos, told.all("holder")),
        "cameras_denied": denied(videos, told.first("user")),
    }


def _system(told: Records) -> dict[str, str]:
    """What /etc/os-release assigns: it is in a shell's syntax."""
    found = {}
    for line in told.all("os"):
        name, _, value = line.partition("=")
        try:
            found[name] = " ".join(shlex.split(value))
        except ValueError:  # a quote that does not end
            found[name] = value.strip("\"'")
    return found


def _userland(told: Records) -> str:
    """What programs are built for, by the ELF header of /bin/sh: class at byte 4, machine at 18, ARM's flags at 36."""
    try:
        head = bytes.fromhex(told.first("elf"))
    except ValueError:
        head = b""
    if len(head) >= 40 and head[:4] == b"\x7fELF":
        kind = head[4], int.from_bytes(head[18:20], "little")
        if kind == ELF_ARM:
            return "armhf" if int.from_bytes(head[36:40], "little") & HARD_FLOAT else "armel"
        if kind in ELF_MACHINES:
            return ELF_MACHINES[kind]
    named = told.first("package_architecture")
    return ARCHITECTURES.get(named, named)


def _libc(told: Records) -> str:
    if told.has("musl"):
        found = re.search(r"(\d+\.\d+)", told.first("musl"))
        return f"musl {found[1]}" if found else "musl"
    said = told.first("libc")
    return said if re.fullmatch(r"glibc \d+\.\d+", said) else ""


def _libstdcxx(told: Records) -> str:
    """The highest version; "unknown" of a library that is there and does not tell."""
    versions = re.findall(r"GLIBCXX_(\d+(?:\.\d+){1,3})(?=\s|$)", told.first("libstdcxx"))
    newest = max(versions, key=lambda version: [int(part) for part in version.split(".")], default="unknown")
    return newest if told.has("libstdcxx") else ""


def _count(online: str) -> int:
    """The CPUs of a list as "0-3,6"."""
    total = 0
    for part in online.split(","):
        ends = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part.strip())
        total += max(0, int(ends[2] or ends[1]) - int(ends[1]) + 1) if ends else 0
    return total


def _kib(told: Records, name: str) -> int | None:
    line = next((line for line in told.all("memory") if line.startswith(f"{name}:")), "")
    size = integer(line.partition(":")[2])
    return None if size is None else size * 1024


def _temperature(told: Records) -> float | None:
    """The processor's zone, else the first one."""
    zones = [zone for zone in (line.split(maxsplit=1) for line in told.all("thermal")) if zone]
    zones.sort(key=lambda zone: not re.search(r"cpu|soc|pkg", zone[-1], re.IGNORECASE))
    temp = integer(zones[0][0]) if zones else None
    return None if temp is None else temp / 1000.0


def _throttled(told: Records) -> int | None:
    """The firmware's bits; where it gives none, the alarm of the kernel's under-voltage monitor."""
    for said in told.all("throttled"):
        bits = BITS.fullmatch(said)
        if bits:
            return int(bits[1], 16)
    alarms = [row[1] for row in map(str.split, told.all("hwmon")) if len(row) == 3 and row[2] == "rpi_volt"]
    return (UNDER_VOLTAGE if alarms[0] == "1" else 0) if alarms else None


def _swap_on_card(told: Records, root: str) -> bool:
    """Whether a swap file or partition is on an SD card: a swap file lies on the device of the root."""
    rows = [row for row in map(str.split, told.all("swap")) if len(row) > 1]
    places = [row[0] if row[1] == "partition" else root for row in rows if not row[0].startswith("/dev/zram")]
    return any(place.startswith("/dev/mmcblk") for place in places)


def _sensors(told: Records) -> tuple[str, ...]:
    """Monitors by name; power monitors on I2C also where no driver serves them as hwmon."""
    rows = [row for row in (line.split(maxsplit=2) for line in told.all("hwmon")) if len(row) == 3]
    monitors = [f"{name} (power)" if power == "yes" else name for power, _, name in rows]
    known = {name for _, _, name in rows}
    chips = [row for row in map(str.split, told.all("i2c")) if len(row) == 2]
    unserved = [
        f"{name} (I2C {place}, no driver)" for place, name in chips if MONITOR.match(name) and name not in known
    ]
    return tuple(dict.fromkeys((*monitors, *unserved, *told.all("iio"))))


def _pythons(told: Records) -> tuple[Interpreter, ...]:
    """The interpreters that ran, in the order they were looked at; of two ways to the same one the first."""
    found: dict[tuple[str, str], Interpreter] = {}
    for line in told.all("python"):
        path, _, facts = line.partition("\t")
        try:
            held = json.loads(facts)
            one = _interpreter(path, held, path in told.all("named_python"))
            found.setdefault((held["prefix"], one.version), one)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            continue
    return tuple(found.values())


def _interpreter(path: str, held: dict[str, Any], named: bool) -> Interpreter:
    """Raises ValueError, KeyError, TypeError or OverflowError for facts that are none."""
    texts = {name: plain(str(held[name])) for name in ("version", "tag", "platform", "pip", "numpy", "pillow")}
    if not re.fullmatch(r"\d+\.\d+\.\d+", texts["version"]):
        raise ValueError(texts["version"])
    return Interpreter(
        path=path,
        bits=int(held["bits"]),
        venv=bool(held["venv"]),
        runtimes=tuple(plain(str(one)) for one in held["runtimes"]),
        named=named,
        environment=bool(held["in_venv"]),
        **texts,
    )
