"""Debian's v4l2loopback for the machine's kernel, built here of Debian's source and headers; never shipped (GPL).

A private apt fetches the packages, so that their digests are checked and this machine's own lists stay as they are.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from virtual_board.needs import NAMESPACES, MissingError
from virtual_board.rootfs import KEYRING, mirror

from .image import SUITE, Image

COMPILER = "aarch64-linux-gnu-gcc-12"
TOOLS = {COMPILER: "gcc-12-aarch64-linux-gnu", "make": "make", "apt-get": "apt"}
BUILD = """
set -e
mount --bind "$1/usr/src" /usr/src
mount -t overlay -o "lowerdir=$1/usr/lib:/usr/lib" none /usr/lib
exec make -C "/usr/src/linux-headers-$2" M="$(echo /usr/src/v4l2loopback-*)" \\
    ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- modules
"""


def module(made: Image) -> Path:
    """The module for the kernel of an image, built now if it is not there. Raises MissingError where it cannot be."""
    target = made.kernel.with_name("v4l2loopback.ko")
    if target.exists():
        return target
    if platform.machine() != "x86_64":
        raise MissingError("v4l2loopback is cross-built on x86-64 only")
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            raise MissingError(f"{tool} is not installed: apt install {package}")
    release = made.release
    folder = target.with_name(f"loopback.{os.getpid()}.part")
    try:
        for archive in _fetched(folder / "apt", release):
            subprocess.run(["dpkg-deb", "-x", archive, folder / "x"], check=True)
        _run([*NAMESPACES, "sh", "-c", BUILD, "sh", str(folder / "x"), release], folder)
        next(folder.glob("x/usr/src/v4l2loopback-*/v4l2loopback.ko")).rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return target


def _fetched(folder: Path, release: str) -> list[Path]:
    for name in ("lists/partial", "cache/archives/partial", "debs"):
        (folder / name).mkdir(parents=True)
    (folder / "list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {SUITE} main\n")
    options = {
        "Dir::Etc::sourcelist": folder / "list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State": folder,
        "Dir::State::status": "/dev/null",
        "Dir::Cache": folder / "cache",
        "APT::Architectures": "amd64,arm64",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    apt = ["apt-get", "-q", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
    _run([*apt, "update"], folder)
    series = ".".join(release.split(".")[:2])
    common = f"linux-headers-{release.replace('-arm64', '-common')}"
    names = (f"linux-headers-{release}:arm64", common, f"linux-kbuild-{series}:amd64", "v4l2loopback-dkms")
    _run([*apt, "download", *names], folder / "debs")
    return sorted((folder / "debs").glob("*.deb"))


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise MissingError(f"v4l2loopback cannot be built: {command[0]}: {(done.stdout + done.stderr)[-1000:]}")
