"""The emulated machine: boot it from a disk that forgets, reach it over SSH, load its camera and break that.

Its ``pi`` may use sudo without a password. What a boot needs of its own (keys) comes in an initramfs joined to the
kept one, so that no image is written to.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bramble.fleet.connect import connect
from bramble.fleet.types import Board, Connection
from serving import make_key, public_of
from virtual_board.userland import PI

from .image import Image, check, packed, ready

CPU = "cortex-a72"
MEMORY_MIB = 1024
BOOTS_S = 240.0
KERNEL_LINE = "console=ttyAMA0 net.ifnames=0 rw quiet mitigations=off systemd.show_status=0 log_buf_len=4M"
VIDEO = "/dev/video0"
WEBCAM, HDMI = "0", "3"  # of vivid's kinds of inputs
LOADED = f"""
pkill -x v4l2-ctl
set -e
if grep -q ^vivid /proc/modules; then rmmod vivid; fi
modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types={{kind}}
until [ -w {VIDEO} ] && [ "$(stat -c %G {VIDEO})" = video ]; do sleep 0.1; done
"""  # udev gives it to the group a moment after it is there


class Guest:
    """A machine that runs. ``connection`` is for the test's own thread; others need one of their own."""

    def __init__(self, board: Board, connection: Connection) -> None:
        """Of ``booted``."""
        self.board, self.connection = board, connection

    def run(self, command: str, check: bool = True, timeout_s: float = 120.0) -> str:
        """What a shell command says there on stdout, as ``pi``."""
        done = self.connection.run(["sh", "-c", command], b"", timeout_s)
        assert not check or done.status == 0, f"{command}: {done.status}: {done.stderr.decode(errors='replace')}"
        return done.stdout.decode(errors="replace")

    def as_root(self, command: str, check: bool = True) -> str:
        """The same as root."""
        return self.run(f"sudo sh -c {shlex.quote(command)}", check)

    def plug_in(self, kind: str = WEBCAM) -> None:
        """A fresh camera at VIDEO, in place of one that is there; nobody may hold that."""
        self.as_root(LOADED.format(kind=kind))

    def pull_out(self) -> None:
        """Take the camera away, also from who holds it; its driver stays."""
        self.as_root("echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind")

    def unplug(self) -> None:
        """Take the camera and its driver away; raises AssertionError where somebody holds it."""
        self.as_root("rmmod vivid")

    def trace(self) -> None:
        """Have the kernel log every request that is made to the camera from now on."""
        self.as_root("dmesg --clear; echo 9 > /sys/class/video4linux/video0/dev_debug")

    def control(self, *controls: str) -> None:
        """Set controls of the camera: "test_pattern=1", or a fault, "disconnect=1"."""
        self.run(f"v4l2-ctl -d {VIDEO} " + " ".join(f"-c {one}" for one in controls))


@contextmanager
def booted(folder: Path) -> Iterator[Guest]:
    """A fresh machine, ended at the end. Raises MissingError where there can be none."""
    check()
    made = ready()
    key, host_key = make_key(folder / "key"), make_key(folder / "host_key")
    initramfs = folder / "initramfs"
    initramfs.write_bytes(made.initramfs.read_bytes() + _own(folder / "own", public_of(key), host_key))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    board = Board("guest", "127.0.0.1", "pi", port, public_of(host_key), str(key))
    console = folder / "console"
    with console.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig=TERM", *_qemu(made, initramfs, port)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "TMPDIR": str(folder)},  # what the disk forgets lies there
        )
    try:
        _greets(process, port, console)
        with connect(board) as connection:
            yield Guest(board, connection)
    finally:
        process.terminate()
        process.wait(60)


def _qemu(made: Image, initramfs: Path, port: int) -> list[str]:
    """The command that boots: two cores, a disk whose changes are forgotten, no way out."""
    disk = f"if=none,id=disk,format=raw,snapshot=on,file={made.disk}"
    return [
        "qemu-system-aarch64",
        *("-M", "virt", "-cpu", CPU, "-smp", "2", "-m", str(MEMORY_MIB), "-accel", "tcg,thread=multi"),
        *("-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"),
        *("-kernel", str(made.kernel), "-initrd", str(initramfs), "-append", KERNEL_LINE),
        *("-drive", disk, "-device", "virtio-blk-device,drive=disk"),
        *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"),
        *("-device", "virtio-net-device,netdev=net", "-device", "virtio-rng-device"),
    ]


def _own(folder: Path, public: str, host_key: Path) -> bytes:
    """This boot's own files, as the initramfs copies them onto the disk."""
    root, home = folder / "own", folder / "own/home/pi"
    (home / ".ssh").mkdir(parents=True)
    (root / "etc/ssh").mkdir(parents=True)
    (home / ".ssh/authorized_keys").write_text(f"{public}\n")
    (root / "etc/ssh/ssh_host_ed25519_key").write_text(host_key.read_text())
    for path in (home, home / ".ssh", home / ".ssh/authorized_keys"):
        os.chown(path, PI, PI)
    for path in (root / "etc/ssh/ssh_host_ed25519_key", home / ".ssh/authorized_keys"):
        path.chmod(0o600)
    return packed(folder)


def _greets(process: subprocess.Popen[bytes], port: int, console: Path) -> None:
    """Wait until its sshd answers; qemu takes connections before."""
    until = time.monotonic() + BOOTS_S
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as link:
            if link.recv(4) == b"SSH-":
                return
        said = console.read_text(errors="replace")[-2000:]
        assert process.poll() is None, f"the machine ended:\n{said}"
        assert time.monotonic() < until, f"the machine does not answer:\n{said}"
        time.sleep(0.2)
