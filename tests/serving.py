"""A real OpenSSH server for tests: own keys and configuration, a free port on loopback, login by key as whoever runs.

Inside a session HOME and the folder where commands and SFTP start are the server's ``home``, as on a board, so that
``~`` is never the user's own.
"""

from __future__ import annotations

import getpass
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from bramble.fleet.types import Board

SSHD = Path("/usr/sbin/sshd")
SFTP = "Subsystem sftp exec /usr/lib/openssh/sftp-server"
CONFIG = """
ListenAddress {address}
Port {port}
HostKey {host_key}
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv HOME={home}
ForceCommand cd "$HOME" && eval "$SSH_ORIGINAL_COMMAND"
{extra}
"""


class Server:
    """A server that can be stopped, and started again on the same port with other settings."""

    def __init__(self, folder: Path, address: str = "127.0.0.1", more_host_keys: Sequence[Path] = ()) -> None:
        """Make the keys; nothing runs yet."""
        self.address, self.more_host_keys = address, more_host_keys
        self.within: tuple[str, ...] = ()  # the command that runs the server elsewhere, as in a network namespace
        self.folder, self.home = folder, folder / "home"
        self.home.mkdir(parents=True)
        self.user = getpass.getuser()
        self.user_key = make_key(folder / "user_key")
        (folder / "authorized_keys").write_text(self.user_key.with_suffix(".pub").read_text())
        self.host_key = make_key(folder / "host_key")
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as free:
            free.bind((address, 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, extra: str = SFTP, first: str = "") -> None:
        """Serve, and wait until the server greets; of a setting named twice the ``first`` counts."""
        config, log = self.folder / "sshd_config", self.folder / "log"
        filled = {
            "address": self.address,
            "port": self.port,
            "host_key": self.host_key,
            "folder": self.folder,
            "home": self.home,
        }
        keys = "".join(f"HostKey {key}\n" for key in self.more_host_keys)
        config.write_text(f"{first}\n{keys}" + CONFIG.format(**filled, extra=extra.format(**filled)))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._process = subprocess.Popen([*self.within, SSHD, "-D", "-f", config, "-E", log])
        deadline = time.monotonic() + 20
        while not _greets(self.address, self.port):
            assert self._process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)

    def freeze(self) -> None:
        """Let the server hang: it still listens, and says nothing any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        """End the server; sessions that are open live on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)
            self._process = None

    @property
    def pid(self) -> int:
        """The process that listens; sessions are its children."""
        assert self._process is not None
        return self._process.pid

    def pinned(self) -> str:
        """The host's public key as a board holds it, "type base64", read from ssh-keygen's file."""
        return public_of(self.host_key)

    def fingerprint(self) -> str:
        """The host key's fingerprint, by ssh-keygen."""
        return fingerprint_of(self.host_key)


def make_key(path: Path, *options: str) -> Path:
    """A new key pair, ed25519 if ``options`` do not say otherwise, without a passphrase."""
    kind = () if "-t" in options else ("-t", "ed25519")
    phrase = () if "-N" in options else ("-N", "")
    subprocess.run(["ssh-keygen", "-q", "-f", path, *kind, *phrase, *options], check=True)
    return path


def public_of(key: Path) -> str:
    """The public half of a key pair, "type base64"."""
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def fingerprint_of(key: Path) -> str:
    """What ``ssh-keygen -lf`` says of a key: SHA256:…"""
    told = subprocess.run(["ssh-keygen", "-lf", key], check=True, capture_output=True, text=True).stdout
    return told.split()[1]


def board_of(server: Server, root: Path | str, **changes: str | int) -> Board:
    """The server as the board ``pi``; ``changes`` replace its settings."""
    settings: dict[str, str | int] = {
        "name": "pi",
        "host": "127.0.0.1",
        "user": server.user,
        "port": server.port,
        "host_key": server.pinned(),
        "key_file": str(server.user_key),
        "python": sys.executable,
        "root": str(root),
    }
    return Board(**{**settings, **changes})  # type: ignore[arg-type]


@contextmanager
def serving(folder: Path, address: str = "127.0.0.1", more_host_keys: Sequence[Path] = ()) -> Iterator[Server]:
    """A running server, stopped at the end; the test is skipped where OpenSSH is not installed."""
    if not SSHD.exists():
        pytest.skip(f"{SSHD} is not there: apt install openssh-server")
    server = Server(folder, address, more_host_keys)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def ssh_agent(path: Path) -> Iterator[None]:
    """An ssh-agent without keys, which the environment names; ended and no longer named at the end."""
    before = dict(os.environ)
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        with socket.socket(socket.AF_UNIX) as knock:
            while knock.connect_ex(os.fsencode(path)):  # the file is there before anybody listens
                time.sleep(0.01)
        os.environ["SSH_AUTH_SOCK"] = str(path)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        agent.terminate()
        agent.wait(10)


@contextmanager
def serving_many(folder: Path, count: int) -> Iterator[list[Server]]:
    """So many servers with keys, homes and ports of their own."""
    with ExitStack() as stack:
        yield [stack.enter_context(serving(folder / f"sshd-{number}")) for number in range(count)]


@contextmanager
def speaking(greeting: bytes, hold: bool) -> Iterator[int]:
    """A server that says one thing to whoever comes, and hangs up or stays silent; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        links = []

        def serve() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                link.sendall(greeting)
                links.append(link)
                if not hold:
                    link.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for link in links:
                link.close()


def _greets(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=5) as link:
            return link.recv(4) == b"SSH-"
    except OSError:
        return False
