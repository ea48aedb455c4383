"""Boards that are not here: folders with the files of their kernels and tools that answer as theirs do.

The shell is real, and so are the small tools (grep, sort, df, …), linked one by one into the only folder on the PATH;
what would tell of this machine (uname, getconf, …) is a script that tells of the other.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bramble.fleet.local import LocalConnection
from bramble.fleet.probe.survey import Interpreter, Survey
from bramble.fleet.types import Board, Done

SHELLS = {"sh": ["sh"], "dash": ["dash"], "busybox": ["busybox", "sh"], "bash": ["bash", "--posix"]}
TOOLS = (
    "cat",
    "date",
    "df",
    "grep",
    "id",
    "ls",
    "od",
    "readlink",
    "sed",
    "sh",
    "sleep",
    "sort",
    "tail",
    "timeout",
    "tr",
    "true",
    "uniq",
)
PI_4_CPU = """processor\t: {number}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""
FACTS = {
    "version": "3.11.2",
    "tag": "cp311",
    "bits": 64,
    "platform": "linux-aarch64",
    "venv": True,
    "pip": "23.0.1",
    "numpy": "1.24.2",
    "pillow": "9.4.0",
    "runtimes": ["tflite-runtime 2.14.0"],
    "prefix": "/usr",
    "in_venv": False,
}
NODES = ("bcm2835-codec-decode", "bcm2835-isp", "HD Pro Webcam C920", "HD Pro Webcam C920", "unicam-image")


class Shell:
    """A connection to this machine under a given shell and PATH, which counts the commands that it ran."""

    def __init__(
        self,
        home: Path,
        shell: Sequence[str] = ("sh",),
        path: Path | None = None,
        before: str = "",
        patience_s: float = 60.0,
    ) -> None:
        """``before`` is a shell's start-up file: what it prints comes before what the command prints."""
        self._local = LocalConnection(Board("pi", root=str(home / ".bramble")))
        self.root = self._local.root
        self.commands: list[Sequence[str]] = []
        program = shutil.which(shell[0])
        if program is None:
            pytest.skip(f"{shell[0]} is not installed")
        variables = [f"HOME={home}", *([f"PATH={path}"] if path else [])]
        self._start = [str(shutil.which("env")), *variables, program, *shell[1:]]
        self._before = before
        self._patience_s = patience_s

    def run(self, argv: Sequence[str], stdin: bytes, timeout_s: float) -> Done:
        """Run ``sh …`` under the given shell."""
        self.commands.append(argv)
        assert argv[0] == "sh"
        words = [*self._start, *argv[1:]]
        if self._before:
            words = [*self._start, "-c", f'{self._before}\nexec "$@"', "sh", *words]
        return self._local.run(words, stdin, min(timeout_s, self._patience_s))

    def put(self, source: Path, target: str) -> None:
        """Never asked."""
        raise NotImplementedError

    def rename(self, source: str, target: str) -> None:
        """Never asked."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing to end."""


def write(root: Path, files: dict[str, str | bytes]) -> None:
    """Write files below ``root``."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # it may be a link to a program of this machine
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def elf(bits: int, machine: int, flags: int = 0) -> bytes:
    """The first 64 bytes of a little-endian ELF program: class, machine, and ARM's flags."""
    head = bytearray(64)
    head[:6] = b"\x7fELF" + bytes([bits // 32, 1])
    head[18:20] = machine.to_bytes(2, "little")
    head[36:40] = flags.to_bytes(4, "little")
    return bytes(head)


def tools(folder: Path, scripts: dict[str, str]) -> Path:
    """A folder for the PATH: this machine's small tools, and ``scripts`` by name."""
    folder.mkdir(parents=True)
    for name in TOOLS:
        (folder / name).symlink_to(str(shutil.which(name)))
    for name, script in scripts.items():
        stand_in(folder / name, script)
    return folder


def stand_in(path: Path, script: str) -> None:
    """A program that is a shell script; never written through a link to a program of this machine."""
    write(path.parent, {path.name: f"#!/bin/sh\n{script}\n"})
    path.chmod(0o755)


def python_that_says(**changes: Any) -> str:
    """The script of a Python whose facts are those of a Raspberry Pi, with ``changes``."""
    return f"echo some noise\ncat <<'EOF'\n@facts {json.dumps({**FACTS, **changes})}\nEOF"


def pi_tools(folder: Path, **changes: str) -> Path:
    """The tools of a Raspberry Pi 4 with Debian 12; ``changes`` by name, "-" for "_"."""
    scripts = {
        "uname": "case $1 in -m) echo aarch64;; -r) echo 6.6.31+rpt-rpi-v8;; -n) echo raspberrypi;; esac",
        "getconf": "case $1 in GNU_LIBC_VERSION) echo glibc 2.36;; LONG_BIT) echo 64;; esac",
        "nproc": "echo 4",
        "dpkg": "echo arm64",
        "vcgencmd": "case $1 in get_throttled) echo throttled=0x50000;; *) echo supported=0 detected=0;; esac",
        "apt-get": "exit 1",
        "python3": python_that_says(),
    }
    return tools(folder, {**scripts, **{name.replace("_", "-"): script for name, script in changes.items()}})


def pi_root(root: Path) -> Path:
    """The kernel's files of a Raspberry Pi 4 with a webcam, a CSI camera that is in use, and an INA219."""
    policy = "sys/devices/system/cpu/cpufreq/policy0"
    library = b"\0GLIBCXX_3.4.9\0GLIBCXX_3.4.30\0GLIBCXX_3.4.4\0GLIBCXX_DEBUG_MESSAGE_LENGTH\0"
    write(
        root,
        {
            "proc/device-tree/model": b"Raspberry Pi 4 Model B Rev 1.4\0",
            "proc/device-tree/compatible": b"raspberrypi,4-model-b\0brcm,bcm2711\0",
            "proc/cpuinfo": "".join(PI_4_CPU.format(number=number) for number in range(4)),
            "proc/meminfo": "MemTotal:        3884376 kB\nMemFree: 1 kB\nMemAvailable:    3330000 kB\n",
            "proc/mounts": "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\nproc /proc proc rw 0 0\n",
            "proc/swaps": "Filename Type Size Used Priority\n/var/swap file 102396 0 -2\n",
            "proc/cmdline": "console=tty1 root=PARTUUID=1 rootwait\n",
            "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\nBUG="x"\n',
            "sys/devices/system/cpu/online": "0-3\n",
            f"{policy}/scaling_governor": "ondemand\n",
            f"{policy}/scaling_driver": "cpufreq-dt\n",
            f"{policy}/scaling_cur_freq": "600000\n",
            f"{policy}/cpuinfo_max_freq": "1800000\n",
            "sys/class/thermal/thermal_zone0/temp": "48686\n",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
            "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
            "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0\n",
            "sys/class/hwmon/hwmon2/name": "ina219\n",
            "sys/class/hwmon/hwmon2/power1_input": "2800000\n",
            "sys/bus/i2c/devices/1-0040/name": "ina219\n",
            "sys/bus/i2c/devices/1-0041/name": "ina226\n",
            "sys/bus/i2c/devices/i2c-1/name": "bcm2835 (i2c@7e804000)\n",
            "run/systemd/system/.keep": "",
            "bin/sh": elf(64, 183),
            "usr/lib/aarch64-linux-gnu/libstdc++.so.6": elf(64, 183) + library,
            "usr/lib/arm-linux-gnueabihf/libstdc++.so.6": elf(32, 40, 0x400) + b"\0GLIBCXX_3.4.99\0",
            "sys/class/video4linux/v4l-subdev0/name": "imx219 10-0010\n",
            "proc/812/comm": "rpicam-vid\n",
            **{f"sys/class/video4linux/video{n}/name": f"{name}\n" for n, name in enumerate(NODES)},
            **{f"sys/class/video4linux/video{n}/index": "1\n" if n == 3 else "0\n" for n in range(len(NODES))},
            **{f"dev/video{n}": "" for n in range(len(NODES))},
        },
    )
    (root / "proc/812/fd").mkdir()
    (root / "proc/1/fd").mkdir(parents=True)
    (root / "proc/812/fd/5").symlink_to("/dev/video2")
    (root / "proc/812/fd/6").symlink_to("/dev/null")
    return root


def interpreter(version: str = "3.11.2", **changes: Any) -> Interpreter:
    """A Python that lacks nothing, with ``changes``."""
    whole: dict[str, Any] = {
        "path": "/usr/bin/python3",
        "version": version,
        "tag": "cp" + "".join(version.split(".")[:2]),
        "bits": 64,
        "platform": "linux-aarch64",
        "venv": True,
        "pip": "23.0.1",
        "numpy": "2.1.0",
        "pillow": "11.3.0",
        "runtimes": ("ai-edge-litert 2.3.0",),
    }
    return Interpreter(**{**whole, **changes})


def ready(**changes: Any) -> Survey:
    """The survey of a board with which nothing is wrong, with ``changes``."""
    whole: dict[str, Any] = {
        "model": "Raspberry Pi 4 Model B Rev 1.4",
        "soc": "Broadcom BCM2711",
        "hostname": "raspberrypi",
        "machine": "aarch64",
        "userland": "arm64",
        "system": "Debian GNU/Linux 12 (bookworm)",
        "kernel": "6.6.31+rpt-rpi-v8",
        "libc": "glibc 2.36",
        "libstdcxx": "3.4.30",
        "cores": 4,
        "cpu": "4 × Cortex-A72",
        "cpu_features": ("asimd", "cpuid", "crc32", "evtstrm", "fp"),
        "memory_bytes": 3_977_601_024,
        "memory_available_bytes": 3_409_920_000,
        "disk_free_bytes": 24_000_000_000,
        "clock_skew_s": 0.2,
        "systemd": True,
        "sudo": "free",
        "user": "pi",
        "home": "/home/pi",
        "tools": ("apt-get", "systemctl"),
        "pythons": (interpreter(),),
        "governor": "ondemand",
        "governor_driver": "cpufreq-dt",
        "throttled_bits": 0,
    }
    return Survey(**{**whole, **changes})
