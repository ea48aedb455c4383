"""Make what the machine boots from, once: a kernel, an initramfs with a few modules, a disk with Debian's userland.

mmdebstrap unpacks packages without running their scripts (see ``virtual_board.rootfs``); ``_furnish`` writes by hand
what a machine with systemd needs beyond a board. Only four of its own programs run under emulation: they make system
users, the loader's cache, the modules' list and Python's bytecode.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from virtual_board import userland
from virtual_board.kinds import ARM64, PACKAGES
from virtual_board.needs import NAMESPACES, MissingError, check_machine
from virtual_board.rootfs import EXCLUDED, HERE, KEYRING, MERGED_USR, NOT_COMPILED, cache, mirror

SUITE = "bookworm"
MORE = (
    "systemd systemd-sysv udev dbus kmod iproute2 v4l-utils python3-numpy python3-pil busybox-static tiny-initramfs "
    "linux-image-arm64"
)
RUNTIME = "tflite-runtime==2.14.0"  # goes with Debian's numpy
TOOLS = {
    "qemu-system-aarch64": "qemu-system-arm",
    "mke2fs": "e2fsprogs",
    "cpio": "cpio",
    "mmdebstrap": "mmdebstrap",
    "ssh-keygen": "openssh-client",
}
DISK_BYTES = 1 << 30  # most of it a hole
SLOWEST_S = 900
MODULES = "/lib/modules/*/kernel"
KEPT_MODULES = (
    "crypto",
    "drivers/block/virtio_blk",
    "drivers/char/hw_random",
    "drivers/media/cec",
    "drivers/media/common",
    "drivers/media/mc",
    "drivers/media/rc",
    "drivers/media/test-drivers/vivid",
    "drivers/media/v4l2-core",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
    "drivers/video",
    "drivers/virtio",
    "fs/ext4",
    "fs/jbd2",
    "fs/mbcache",
    "lib",
    "net/core",
)
FIRST_MODULES = ("virtio_mmio", "virtio_blk", "crc32c_generic", "ext4", "virtio_net", "virtio-rng")
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /dev /root
/bin/busybox mount -t devtmpfs none /dev
for module in $(/bin/busybox cat /modules/order); do /bin/busybox insmod "/modules/$module"; done
until [ -b /dev/vda ]; do /bin/busybox usleep 20000; done
/bin/busybox mount -t ext4 -o noatime /dev/vda /root
/bin/busybox cp -a /own/. /root/
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /lib/systemd/systemd
"""
NETWORK = """[Unit]
DefaultDependencies=no
Before=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/ip link set lo up
ExecStart=/sbin/ip link set eth0 up
ExecStart=/sbin/ip address add 10.0.2.15/24 dev eth0
"""
MASKED = (
    "e2scrub_all.timer fstrim.timer getty.target proc-sys-fs-binfmt_misc.automount systemd-binfmt.service "
    "systemd-firstboot.service systemd-pcrphase-sysinit.service systemd-pcrphase.service systemd-pstore.service "
    "systemd-random-seed.service systemd-repart.service systemd-sysusers.service systemd-update-utmp.service "
    "systemd-update-utmp-runlevel.service sys-fs-fuse-connections.mount"
)


@dataclass(frozen=True)
class Image:
    """What a machine boots from; none of it is written to."""

    kernel: Path
    initramfs: Path
    disk: Path

    @property
    def release(self) -> str:
        """The kernel's, as uname says it."""
        return self.kernel.name.partition("-")[2]


def check() -> None:
    """Raise MissingError, with what to do, where this machine cannot make or boot one."""
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            raise MissingError(f"{tool} is not installed: apt install {package}")
    if not KEYRING.exists():
        raise MissingError("Debian's keys are not installed: apt install debian-archive-keyring")
    check_machine(ARM64)


def ready() -> Image:
    """The image, made now if it is not there. Raises MissingError where the mirror of packages does not answer."""
    digest = hashlib.sha256(PACKAGES.encode())
    for module in (__file__, userland.__file__):
        digest.update(Path(module).read_bytes())
    target = cache() / f"machine-{SUITE}-arm64-{digest.hexdigest()[:16]}"
    if not target.is_dir():
        url = f"{mirror()}/dists/{SUITE}/Release"
        try:
            with urllib.request.urlopen(url, timeout=30):  # noqa: S310 - the user's own mirror
                pass
        except OSError as error:
            raise MissingError(f"the mirror of packages does not answer: {url}: {error}") from error
        cache().mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            _make(fresh)
            fresh.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return Image(next(target.glob("vmlinuz-*")), target / "initramfs", target / "disk")


def _make(fresh: Path) -> None:
    root, debs = fresh / "root", cache() / f"debs-{SUITE}-arm64"
    fresh.mkdir()
    (debs / "partial").mkdir(parents=True, exist_ok=True)
    _run(*_unpack(root, debs))
    for used_up in ("var/cache/apt", "var/lib/apt"):
        shutil.rmtree(root / used_up)
    userland.write(root)
    _furnish(root)
    _add_runtime(root)
    kernel = next((root / "boot").glob("vmlinuz-*"))
    for command in _finish(root, kernel.name.partition("-")[2]):
        _run(sys.executable, "-m", "virtual_board.binfmt", ARM64.name, root, *command)
    kernel.rename(fresh / kernel.name)
    make_initramfs(root, fresh / "initramfs")
    with (fresh / "disk").open("wb") as disk:
        disk.truncate(DISK_BYTES)
    _run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-m", "0", "-d", root, fresh / "disk")
    shutil.rmtree(root)


def _unpack(root: Path, debs: Path) -> list[str | Path]:
    """The command that downloads into ``debs`` and unpacks into ``root``."""
    archives = '"$1/var/cache/apt/archives"'
    excluded = (*EXCLUDED, f"{MODULES}/*", "/boot/System.map-*", "/boot/config-*", "/usr/lib/udev/hwdb.*")
    return [
        "mmdebstrap",
        "--quiet",
        "--mode=root",
        "--variant=extract",
        "--format=directory",
        f"--architectures={ARM64.arch}",
        "--skip=check/qemu,cleanup/apt",
        f"--hook-dir={MERGED_USR}",
        f"--setup-hook=mkdir -p {archives} && mount --bind '{debs}' {archives}",
        f"--include={','.join((*PACKAGES.split(), *MORE.split()))}",
        '--aptopt=APT::Sandbox::User "root"',
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in excluded),
        *(f"--dpkgopt=path-include={MODULES}/{place}*" for place in KEPT_MODULES),
        SUITE,
        root,
        f"deb [signed-by={KEYRING}] {mirror()} {SUITE} main",
    ]


def _furnish(root: Path) -> None:
    """What a machine has beyond a board: a service manager that starts sshd and a network, and no firmware's tool."""
    (root / "usr/bin/vcgencmd").unlink()
    (root / "etc/machine-id").write_text("6272616d626c65206361206d616368696e650a"[:32] + "\n")
    (root / "etc/ssh/sshd_config.d").mkdir(exist_ok=True)
    units = root / "etc/systemd/system"
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    (units / "network-up.service").write_text(NETWORK)
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    (wanted / "network-up.service").symlink_to("../network-up.service")
    (wanted / "ssh.service").symlink_to("/lib/systemd/system/ssh.service")
    for name in MASKED.split():
        (units / name).symlink_to("/dev/null")
    for name in ("blas", "lapack"):  # they leave it to update-alternatives
        (root / f"usr/lib/aarch64-linux-gnu/lib{name}.so.3").symlink_to(f"{name}/lib{name}.so.3")
    (root / "etc/systemd/journald.conf.d").mkdir(parents=True)
    (root / "etc/systemd/journald.conf.d/memory.conf").write_text("[Journal]\nStorage=volatile\n")


def _add_runtime(root: Path) -> None:
    """Put the TFLite runtime beside Debian's NumPy."""
    fits = ("--only-binary=:all:", "--no-deps", "--python-version=3.11", "--platform=manylinux_2_34_aarch64")
    try:
        _run(
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            f"--target={root / 'usr/lib/python3/dist-packages'}",
            *fits,
            RUNTIME,
        )
    except RuntimeError as error:
        raise MissingError(f"{RUNTIME} could not be had: {error}") from error


def _finish(root: Path, release: str) -> list[list[str]]:
    """What is left to the machine's own programs."""
    library = next(root.glob("usr/lib/python3.*")).name
    return [
        ["/usr/bin/systemd-sysusers"],
        ["/usr/sbin/ldconfig"],
        ["/usr/sbin/depmod", release],
        ["/usr/bin/python3", "-m", "compileall", "-q", "-x", NOT_COMPILED, f"/usr/lib/{library}"],
        ["/usr/bin/python3", "-m", "compileall", "-q", "-x", NOT_COMPILED, "/usr/lib/python3/dist-packages"],
    ]


def make_initramfs(root: Path, target: Path) -> None:
    """Pack busybox, the modules that the disk needs, and the script that goes on from there."""
    modules = next((root / "lib/modules").iterdir())
    folder = target.with_suffix(".files")
    (folder / "bin").mkdir(parents=True)
    (folder / "modules").mkdir()
    (folder / "own").mkdir()
    shutil.copy(root / "bin/busybox", folder / "bin/busybox")
    order = in_order(modules / "modules.dep", FIRST_MODULES)
    for place in order:
        shutil.copy(modules / place, folder / "modules" / Path(place).name)
    (folder / "modules/order").write_text("\n".join(Path(place).name for place in order))
    (folder / "init").write_text(INIT)
    (folder / "init").chmod(0o755)
    target.write_bytes(packed(folder))
    shutil.rmtree(folder)


def packed(folder: Path) -> bytes:
    """A folder as the kernel takes it for an initramfs, with owners and modes; several may be joined."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    command = ["cpio", "--create", "--format=newc", "--quiet"]
    done = subprocess.run(command, cwd=folder, input="\n".join(names).encode(), capture_output=True, check=True)
    return done.stdout


def in_order(listed: Path, names: Sequence[str]) -> list[str]:
    """Files of modules in the order in which they can be loaded, those that the named ones need among them."""
    needs = {}
    for line in listed.read_text().splitlines():
        place, _, others = line.partition(":")
        needs[place] = others.split()
    by_name = {Path(place).stem: place for place in needs}
    order: list[str] = []
    for name in names:
        wanted = by_name[name]
        for place in (*reversed(needs[wanted]), wanted):
            if place not in order:
                order.append(place)
    return order


def _run(*command: str | Path) -> None:
    """Run a command in namespaces of its own: whatever ends it, no mount and no process of it stays."""
    whole = ["setpriv", "--pdeathsig=KILL", *NAMESPACES, *command]
    done = subprocess.run(
        whole, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=HERE, timeout=SLOWEST_S, check=False
    )
    if done.returncode:
        raise RuntimeError(
            f"{command[0]} failed with exit status {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}"
        )
