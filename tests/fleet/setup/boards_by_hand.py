"""Boards as a survey would tell them, written by hand."""

from __future__ import annotations

from typing import Any

from bramble.fleet.probe.survey import Interpreter, Survey

PLAIN: dict[str, Any] = {
    "model": "Raspberry Pi 4 Model B",
    "soc": "bcm2711",
    "hostname": "pi",
    "machine": "aarch64",
    "userland": "arm64",
    "system": "Debian GNU/Linux 12 (bookworm)",
    "kernel": "6.6",
    "libc": "glibc 2.36",
    "libstdcxx": "3.4.30",
    "cores": 4,
    "cpu": "Cortex-A72",
    "cpu_features": (),
    "memory_bytes": 4 << 30,
    "memory_available_bytes": 3 << 30,
    "disk_free_bytes": 10 << 30,
    "clock_skew_s": 0.0,
    "systemd": True,
    "sudo": "free",
    "user": "pi",
    "home": "/home/pi",
}
BULLSEYE = {"libc": "glibc 2.31", "libstdcxx": "3.4.28"}
BOOKWORM = {"libc": "glibc 2.36", "libstdcxx": "3.4.30"}
TRIXIE = {"libc": "glibc 2.41", "libstdcxx": "3.4.33"}
ARMHF = {"machine": "armv7l", "userland": "armhf"}


def board(*pythons: Interpreter, **changes: Any) -> Survey:
    """A Raspberry Pi 4 with 64-bit Debian 12, changed."""
    return Survey(**{**PLAIN, **changes}, pythons=pythons)


def python(version: str, numpy: str = "", bits: int = 64, **changes: Any) -> Interpreter:
    """The Python /usr/bin/python3 of that version."""
    major, minor, *_ = version.split(".")
    held = {
        "path": "/usr/bin/python3",
        "tag": f"cp{major}{minor}",
        "platform": "linux",
        "venv": True,
        "pillow": "9.4",
        **changes,
    }
    return Interpreter(version=version, bits=bits, numpy=numpy, **held)
