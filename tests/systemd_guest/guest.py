"""Boot an unpacked Debian with systemd-nspawn: real service managers, sessions, lingering and reboots in a second.

The root file system is made once by mmdebstrap and kept; a guest is an overlay over it that is thrown away. It shares
this machine's network, so its sshd is on a port of loopback, and its Python, read-only, under /opt.

Two people live there: ``op`` may use sudo without a password, ``pi`` may not. MemoryMax and CPUQuota are accepted but
not enforced where this machine's control groups are of version 1.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bramble.fleet.types import Board
from serving import make_key, public_of
from virtual_board.needs import MissingError
from virtual_board.rootfs import KEYRING, cache, mirror

SUITE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,openssh-server,openssh-sftp-server,sudo,python3"
TOOLS = {"systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap", "ssh-keygen": "openssh-client"}
NAMESPACES = ("unshare", "--mount", "--propagation=private")
PYTHON = "/opt/venv/bin/python"
BOOTS_S = 90.0
MAKES_S = 900.0
BOOT = """
set -e
mount -t overlay -o "lowerdir=$1,upperdir=$2/up,workdir=$2/work" none "$2/all"
shift 1
all=$1/all; shift
exec systemd-nspawn --quiet --directory="$all" --boot --register=no --keep-unit --console=pipe \\
    --kill-signal=SIGRTMIN+3 "$@"
"""


def check() -> None:
    """Raise MissingError where no guest can be on this machine."""
    if os.geteuid() != 0:
        raise MissingError("systemd-nspawn needs root")
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            raise MissingError(f"{tool} is not installed: apt install {package}")
    if not KEYRING.exists():
        raise MissingError("Debian's keys are not installed: apt install debian-archive-keyring")


def ready() -> Path:
    """The root file system, made now if it is not there. Raises MissingError where the mirror does not answer."""
    name = f"nspawn-{SUITE}-{hashlib.sha256(PACKAGES.encode()).hexdigest()[:16]}"
    target = cache() / name
    if target.is_dir():
        return target
    url = f"{mirror()}/dists/{SUITE}/Release"
    try:
        with urllib.request.urlopen(url, timeout=30):  # noqa: S310 - the user's own mirror
            pass
    except OSError as error:
        raise MissingError(f"the mirror of packages does not answer: {url}: {error}") from error
    cache().mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{name}.{os.getpid()}.part")
    source = f"deb [signed-by={KEYRING}] {mirror()} {SUITE} main"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(fresh), source]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=MAKES_S)
        fresh.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


class Guest:
    """A guest that can be booted, and booted again as it was left."""

    def __init__(self, folder: Path, port: int, keys: tuple[Path, str], command: list[str]) -> None:
        """Of ``booted``: the people's key, the host's public one, and what boots it."""
        self.folder, self.port, (self.key, self.host_key) = folder, port, keys
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def board(self, user: str) -> Board:
        """The guest as a board of one of its people."""
        return Board(user, "127.0.0.1", user, self.port, self.host_key, str(self.key), PYTHON)

    def run(self, user: str, command: str, check: bool = True) -> str:
        """What a shell command says there, as that user."""
        known = self.folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.port} {self.host_key}\n")
        options = [
            "-i",
            str(self.key),
            "-p",
            str(self.port),
            "-o",
            f"UserKnownHostsFile={known}",
            "-o",
            "BatchMode=yes",
        ]
        done = subprocess.run(
            ["ssh", *options, f"{user}@127.0.0.1", command], capture_output=True, text=True, check=False, timeout=120
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def greets(self, seconds: float = BOOTS_S) -> None:
        """Wait until its sshd answers."""
        until = time.monotonic() + seconds
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as link:
                    if link.recv(4) == b"SSH-":
                        return
            except OSError:
                pass
            assert time.monotonic() < until, (self.folder / "console").read_text(errors="replace")[-2000:]
            time.sleep(0.1)

    def boot(self) -> None:
        """Boot it, and wait for its sshd."""
        with (self.folder / "console").open("ab") as console:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=TERM", *self._command],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        self.greets()

    def end(self) -> None:
        """Shut it down; never by SIGKILL, which would leave its processes behind."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)


@contextmanager
def booted(folder: Path) -> Iterator[Guest]:
    """A fresh guest, ended and gone at the end. Raises MissingError where there can be none."""
    check()
    lower = ready()
    key, host_key = make_key(folder / "key"), make_key(folder / "host_key")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("up", "work", "all"):
        (folder / name).mkdir()
    binds = _furnish(folder / "up", lower, (public_of(key), host_key), port)
    command = [*NAMESPACES, "sh", "-c", BOOT, "sh", str(lower), str(folder), *binds]
    guest = Guest(folder, port, (key, public_of(host_key)), command)
    try:
        guest.boot()
        yield guest
    finally:
        guest.end()


def _furnish(up: Path, lower: Path, keys: tuple[str, Path], port: int) -> list[str]:
    """Write what makes the guest a board into the overlay; the options that bind this machine's Python."""
    public, host_key = keys
    _people(up, lower, public)
    _write(up / "etc/hostname", "board\n")
    _write(up / "etc/ssh/sshd_config.d/guest.conf", f"Port {port}\nListenAddress 127.0.0.1\nHostKey /etc/ssh/own_key\n")
    _write(up / "etc/ssh/own_key", host_key.read_text(), 0o600)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    _write(up / "opt/venv/pyvenv.cfg", "home = /opt/python/bin\ninclude-system-site-packages = false\n")
    for link, target in (
        (PYTHON, f"/opt/python/bin/python{version}"),
        (f"/opt/venv/lib/python{version}/site-packages", "/opt/site"),
    ):
        (up / link[1:]).parent.mkdir(parents=True, exist_ok=True)
        (up / link[1:]).symlink_to(target)
    for library in Path(sys.base_prefix).glob(
        "lib/libpython*.so.*"
    ):  # a Python that is linked so finds it by name only
        link_to = up / "usr/lib" / library.name
        link_to.parent.mkdir(parents=True, exist_ok=True)
        link_to.symlink_to(f"/opt/python/lib/{library.name}")
    site = sysconfig.get_paths()["purelib"]
    return [f"--bind-ro={sys.base_prefix}:/opt/python", f"--bind-ro={site}:/opt/site"]


def _people(up: Path, lower: Path, public: str) -> None:
    for number, user in enumerate(("op", "pi"), 1000):
        for name, line in (
            ("passwd", f"{user}:x:{number}:{number}::/home/{user}:/bin/bash\n"),
            ("group", f"{user}:x:{number}:\n"),
            ("shadow", f"{user}:*:19000:0:99999:7:::\n"),
        ):
            held = up / "etc" / name
            text = held.read_text() if held.exists() else (lower / "etc" / name).read_text()
            _write(held, text + line, 0o640 if name == "shadow" else 0o644)
        _write(up / f"home/{user}/.ssh/authorized_keys", f"{public}\n", 0o600)
        for path in (up / f"home/{user}", up / f"home/{user}/.ssh", up / f"home/{user}/.ssh/authorized_keys"):
            os.chown(path, number, number)
    _write(up / "etc/sudoers.d/op", "op ALL=(ALL) NOPASSWD: ALL\n", 0o440)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
