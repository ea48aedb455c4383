"""Process 1 of a board: mounts its file systems, becomes rooted in them, and starts sshd for whoever comes in.

It runs in namespaces of its own (mounts, processes, network, host name), given by unshare, so that its end, whatever
brings it, is the end of every process and every mount of the board. Its leash is stdin: a pipe that brings the
settings, that whoever started the board then holds, and that the kernel closes when they die, be it by SIGKILL.

The socket that connections come in by was opened outside, on this machine's loopback. The board's own network has
nothing but a loopback: so it can be reached, and reaches nobody.

    python -m virtual_board.init <SETTINGS.json
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from .binfmt import environment, register
from .kinds import KINDS, Kind
from .mounts import bind, make_root, mount
from .pi_files import cpuinfo, meminfo, sys_files

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
KERNELS = ".kernel"
PROCESSES = 4096  # those that /proc can show: more than any test starts, few enough to be listed at once
SSHD = "/usr/sbin/sshd"
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


@dataclass(frozen=True)
class Settings:
    """What a board is started with. ``folder`` is empty and its own; ``listener`` is the number of an open socket.

    ``private`` are files that only this board has, by their paths on it.
    """

    kind: str
    rootfs: str
    folder: str
    disk_bytes: int
    python: bool
    listener: int
    private: dict[str, str]


def main() -> None:
    """Be process 1, until the leash is let go."""
    os.umask(0o022)
    settings = Settings(**json.loads(sys.stdin.readline()))
    kind = KINDS[settings.kind]
    number = Path("/proc/self").readlink()  # while /proc is the one outside: our number there
    register(kind)  # the handle stays open, in this process, as long as the board is up
    root = _disk(settings)
    _kernel(root, kind)
    _devices(root)
    _loopback()
    socket.sethostname("raspberrypi")
    make_root(root)
    print(number, flush=True)
    _serve(socket.socket(fileno=settings.listener), environment(kind))


def _disk(settings: Settings) -> Path:
    """The board's disk: what is written goes to memory, up to the disk's size."""
    folder = Path(settings.folder)
    disk, root = folder / "disk", folder / "root"
    mount("disk", disk, "tmpfs", f"size={settings.disk_bytes},mode=755")
    for name in ("up", "work"):
        (disk / name).mkdir(mode=0o755)
    mount("overlay", root, "overlay", f"lowerdir={settings.rootfs},upperdir={disk}/up,workdir={disk}/work")
    for name, text in settings.private.items():
        path = root / name
        path.write_text(text)
        path.chmod(0o600)
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
    if not settings.python:
        for path in (root / "usr/bin").glob("python3*"):
            path.unlink()
    return root


def _kernel(root: Path, kind: Kind) -> None:
    """What the kernel shows: /sys and /run, and /proc with what a Pi's has and this machine's has not.

    Nothing can be added to the kernel's own /proc, nothing be laid over it. So /proc is a folder of links to it.
    """
    mount("run", root / "run", "tmpfs", "mode=755")
    mount("sysfs", root / "sys", "tmpfs", "mode=755")
    mount("proc", root / "proc", "tmpfs", "mode=755")
    mount("proc", root / "proc" / KERNELS, "proc")
    _write(root / "sys", sys_files(kind.pi))
    _write(root / "proc", {"cpuinfo": cpuinfo(kind.pi), "meminfo": meminfo(kind.pi)})
    (root / "proc/device-tree").symlink_to("/sys/firmware/devicetree/base")
    names = {path.name for path in (root / "proc" / KERNELS).iterdir()} | set(map(str, range(1, PROCESSES)))
    for name in names - {"cpuinfo", "meminfo"}:
        (root / "proc" / name).symlink_to(f"{KERNELS}/{name}")
    for name in ("sshd", "lock"):
        (root / "run" / name).mkdir(mode=0o755)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _devices(root: Path) -> None:
    """/dev: this machine's harmless devices, terminals and shared memory of its own."""
    dev = root / "dev"
    mount("dev", dev, "tmpfs", "mode=755")
    for name in DEVICES:
        (dev / name).touch()
        bind(Path("/dev") / name, dev / name)
    mount("devpts", dev / "pts", "devpts", "newinstance,mode=620,gid=5,ptmxmode=666")
    mount("shm", dev / "shm", "tmpfs", "mode=1777")
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
    for name, target in links.items():
        (dev / name).symlink_to(target)


def _loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def _serve(listener: socket.socket, env: dict[str, str]) -> None:
    """One sshd for each connection, until stdin ends."""
    listener.set_inheritable(False)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries whoever dies
    while True:
        ready, _, _ = select.select([0, listener.fileno()], [], [])
        if 0 in ready:
            return
        link, _ = listener.accept()
        onto = [(os.POSIX_SPAWN_DUP2, link.fileno(), number) for number in (0, 1)]
        usual = [signal.SIGCHLD, signal.SIGPIPE]
        os.posix_spawn(SSHD, [SSHD, "-i", "-e"], env, file_actions=onto, setsid=True, setsigdef=usual)
        link.close()


if __name__ == "__main__":
    main()
