"""Why there can be no virtual board on this machine: found by trying, told so that it can be mended."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile

from .kinds import Kind

# In a mount namespace that is gone afterwards, so that nothing of this stays.
TRY_BINFMT = "test -e /proc/sys/fs/binfmt_misc/register || mount -t binfmt_misc none /proc/sys/fs/binfmt_misc"
TRY_OVERLAY = (
    'mount -t tmpfs none "$1" && cd "$1" && mkdir low up work all && '
    "mount -t overlay -o lowerdir=low,upperdir=up,workdir=work none all"
)
TRIED = {"binfmt_misc": TRY_BINFMT, "overlayfs on tmpfs": TRY_OVERLAY}
TOOLS = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ssh-keygen": "openssh-client",
    "mmdebstrap": "mmdebstrap",
}
ARM = ("aarch64", "arm64", "armv7l", "armv6l")
NAMESPACES = ("unshare", "--mount", "--propagation=private", "--pid", "--uts", "--ipc", "--fork", "--kill-child")


class MissingError(Exception):
    """Something of this machine, or of its network, that a virtual board cannot do without."""


def interpreter(kind: Kind) -> str:
    """The static emulator for ``kind``. Raises MissingError where it is not installed."""
    found = shutil.which(f"qemu-{kind.emulator.name}-static")
    if found is None:
        raise MissingError(f"qemu-{kind.emulator.name}-static is not installed: apt install qemu-user-static")
    return found


def check_machine(kind: Kind) -> None:
    """Raise MissingError, with what to do, where this machine cannot run a board of ``kind``."""
    if platform.machine() in ARM:
        raise MissingError("this machine is ARM itself: an emulator for its own programs would take them all over")
    if os.geteuid() != 0:
        raise MissingError("virtual boards need root: mounts and namespaces")
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            raise MissingError(f"{tool} is not installed: apt install {package}")
    interpreter(kind)
    for what, script in TRIED.items():
        with tempfile.TemporaryDirectory() as folder:
            command = [*NAMESPACES, "--net", "sh", "-c", script, "sh", folder]
            tried = subprocess.run(command, capture_output=True, text=True, check=False)
        if tried.returncode:
            raise MissingError(f"{what} cannot be mounted here: {tried.stderr.strip()}")
