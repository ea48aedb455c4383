"""A running board: start it, reach it, break it from outside, make it factory-fresh again, stop it.

What a board writes lives in memory that belongs to its namespaces: stopping it is letting go of its leash, and nothing
is left to be removed but the folder with its keys, which is the caller's.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from bramble.fleet.types import Board
from serving import make_key

from .binfmt import environment
from .init import Settings
from .kinds import Kind
from .needs import NAMESPACES, check_machine
from .rootfs import HERE, ready

GIB = 1 << 30
PATIENCE_S = 60.0
ENTERED = ("--mount", "--pid", "--net", "--uts", "--ipc")


@dataclass(frozen=True)
class Options:
    """How a board differs from a usual one: the size of its disk (beyond what the system takes), no ``python``."""

    disk_bytes: int = 4 * GIB
    python: bool = True


USUAL = Options()


class Machine:
    """A board of a kind, with keys and a port that it keeps over ``stop``, ``start`` and ``wipe``."""

    def __init__(self, kind: Kind, folder: Path, options: Options) -> None:
        """Make the keys in ``folder`` and choose a port; nothing runs yet."""
        self.kind, self.folder, self.options = kind, folder, options
        self.user_key, self.host_key = make_key(folder / "user_key"), make_key(folder / "host_key")
        with _listen(0) as free:
            self.port: int = free.getsockname()[1]
        self.pid = 0  # of its process 1, as this machine counts; 0 while it is down
        self._process: subprocess.Popen[str] | None = None

    @property
    def board(self) -> Board:
        """The board as Bramble's inventory would have it."""
        pinned = " ".join(self.host_key.with_suffix(".pub").read_text().split()[:2])
        return Board(self.kind.name, "127.0.0.1", "pi", self.port, host_key=pinned, key_file=str(self.user_key))

    @property
    def log(self) -> Path:
        """What process 1 and every sshd said."""
        return self.folder / "log"

    def start(self) -> None:
        """Switch it on, factory-fresh, and wait until it takes connections."""
        assert self._process is None, "the board is up"
        rootfs = ready(self.kind)
        with _listen(self.port) as listener, self.log.open("a") as log:
            self._process = subprocess.Popen(
                [*NAMESPACES, "--net", sys.executable, "-S", "-m", "virtual_board.init"],
                cwd=HERE,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[listener.fileno()],
                start_new_session=True,  # Ctrl-C is for us, who then stop it
                text=True,
            )
            settings = self._settings(rootfs, listener.fileno())
        try:
            self.pid = _greeted(self._process, settings)
        except BaseException:
            self.stop()
            raise
        if not self.pid:
            self.stop()
            raise RuntimeError(f"the board {self.kind.name} did not start:\n{self.log.read_text()}")

    def _settings(self, rootfs: Path, listener: int) -> Settings:
        mounts = self.folder / "mounts"
        mounts.mkdir(exist_ok=True)
        private = {
            "etc/ssh/ssh_host_ed25519_key": self.host_key.read_text(),
            "home/pi/.ssh/authorized_keys": self.user_key.with_suffix(".pub").read_text(),
            "etc/ssh/sshd_config.d/qemu.conf": f"SetEnv QEMU_CPU={self.kind.pi.cpu}\n",
        }
        options = self.options
        return Settings(self.kind.name, str(rootfs), str(mounts), options.disk_bytes, options.python, listener, private)

    def stop(self) -> None:
        """Pull the plug. What it had written is gone, and so are its processes and mounts."""
        process, self._process, self.pid = self._process, None, 0
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # it has ended before it read anything
            process.stdin.close()
        try:
            process.wait(PATIENCE_S)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def wipe(self) -> None:
        """Make it factory-fresh: as if a new card had been written, with the same keys."""
        self.stop()
        self.start()

    def processes(self) -> dict[int, str]:
        """What runs on it besides process 1: command lines by number, as this machine counts."""
        return {number: command for number, command in _processes_with(self.pid).items() if number != self.pid}

    def as_root(
        self, command: str, timeout_s: float = PATIENCE_S, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on it as root, not over SSH but from outside, so that it works on a broken board too.

        ``kill -9 -1`` is a power cut that the disk survives. Raises AssertionError where the command fails.
        """
        assert self.pid, "the board is down"
        enter = ["nsenter", "--target", str(self.pid), *ENTERED, "/bin/sh", "-c", f"cd\n{command}"]
        done = subprocess.run(
            enter,
            env=environment(self.kind),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: exit status {done.returncode}: {done.stderr}"
        return done


def _greeted(process: subprocess.Popen[str], settings: Settings) -> int:
    """Hand a board's process 1 its settings and wait for its number; 0 where it ends or is silent instead."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(asdict(settings)) + "\n")
        process.stdin.flush()
    told, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
    return int(process.stdout.readline() or "0") if told else 0


def _processes_with(pid: int) -> dict[int, str]:
    """The processes in the namespace of process ``pid``, itself among them."""
    wanted = Path(f"/proc/{pid}/ns/pid").readlink()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if (folder / "ns/pid").readlink() == wanted:
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ").strip()
    return found


def _listen(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=32)


@contextmanager
def running(kind: Kind, options: Options = USUAL) -> Iterator[Machine]:
    """A running, factory-fresh board of its own, stopped at the end.

    Raises MissingError where this machine cannot have one.
    """
    check_machine(kind)
    with tempfile.TemporaryDirectory(prefix="bramble-board-") as folder:
        machine = Machine(kind, Path(folder), options)
        try:
            machine.start()
            yield machine
        finally:
            machine.stop()
