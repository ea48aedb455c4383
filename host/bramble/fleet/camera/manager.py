"""Speak with the service manager of a board: the system's, or the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from posixpath import dirname

from bramble.errors import BrambleError, IncompatibleError, StorageError, UsageError
from bramble.fleet.camera.place import Place
from bramble.fleet.camera.unit import unit_name
from bramble.fleet.types import Board, Connection, Done

TIMEOUT_S = 180.0  # a start waits for the loop to be ready, a stop for it to let go
WAIT_S = 15  # for a user's manager that was just asked for
# To a name of our own beside it, to the disk, then renamed: a cut at any moment leaves the old or the new one.
WRITE = """
import os, sys
path, mode = sys.argv[1], int(sys.argv[2], 8)
folder = os.path.dirname(path)
os.makedirs(folder, exist_ok=True)
fresh = os.path.join(folder, "." + os.path.basename(path))
with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
    os.fchmod(file.fileno(), mode)
    file.write(sys.stdin.buffer.read())
    file.flush()
    os.fsync(file.fileno())
os.replace(fresh, path)
handle = os.open(folder, os.O_RDONLY)
os.fsync(handle)
"""
WAITED = 'i=0; while [ ! -S "$1" ] && [ $i -lt "$2" ]; do sleep 1; i=$((i+1)); done; [ -S "$1" ]'
PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "NRestarts",
    "StatusText",
    "UnitFileState",
    "MemoryCurrent",
    "MainPID",
    "ExecStart",
)


@dataclass(frozen=True)
class Manager:
    """The manager of one loop's unit on a board."""

    connection: Connection
    board: Board
    place: Place
    system: bool
    name: str

    @property
    def kind(self) -> str:
        """What it is to a person."""
        return "system service" if self.system else f"service of user {self.place.user}"

    @property
    def unit(self) -> str:
        """The unit's name."""
        return unit_name(self.name)

    @property
    def unit_path(self) -> str:
        """The unit's file."""
        folder = "/etc/systemd/system" if self.system else f"{self.place.home}/.config/systemd/user"
        return f"{folder}/{self.unit}"

    @property
    def config_path(self) -> str:
        """What the loop is asked to do: the request in a file."""
        return f"{self.place.folder()}/{self.name}.json"

    @property
    def agent_path(self) -> str:
        """Which agent the service starts: a push clears away agents that nobody names and nobody asked lately."""
        return f"{self.place.folder()}/{self.name}.agent"

    def run(self, *words: str) -> Done:
        """``systemctl`` with these words."""
        return self.connection.run(self.argv("systemctl", *words), b"", TIMEOUT_S)

    def argv(self, program: str, *words: str, reading: bool = False) -> list[str]:
        """A program of systemd's that speaks with this manager; ``reading`` the system's needs no root."""
        if self.system:
            return [*([] if reading else self._sudo()), program, *words]
        folder = f"/run/user/{self.place.uid}"
        bus = f"DBUS_SESSION_BUS_ADDRESS=unix:path={folder}/bus"
        return ["env", f"XDG_RUNTIME_DIR={folder}", bus, program, "--user", *words]

    def need(self, *words: str) -> None:
        """The same, which must succeed. Raises BrambleError with what systemd says."""
        done = self.run(*words)
        if done.status:
            said = done.stderr.decode(errors="replace").strip().splitlines() or [f"status {done.status}"]
            raise BrambleError(f"{self.board.name}: systemctl {words[0]}: {said[-1]}", self.hint())

    def hint(self) -> str:
        """Where to look when something fails."""
        return f"bramble camera logs {self.board.name}" + ("" if self.name == "camera" else f" --name {self.name}")

    def write(self, path: str, data: str, mode: str, own: bool) -> None:
        """Write a file in one step; ``own`` for one of the user's. Raises StorageError."""
        sudo = [] if own else self._sudo()
        done = self.connection.run([*sudo, self.place.python, "-c", WRITE, path, mode], data.encode(), 60.0)
        if done.status:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["no word why"]
            raise StorageError(f"{self.board.name}: cannot write {path}: {said[-1]}", "check the board's storage")

    def remove(self) -> None:
        """Remove the unit's file and the loop's."""
        self.connection.run([*(self._sudo() if self.system else []), "rm", "-f", self.unit_path], b"", 60.0)
        self.connection.run(["rm", "-f", self.config_path, self.agent_path], b"", 60.0)

    def state(self) -> dict[str, str]:
        """What systemd says of the unit, by property; empty where it is not installed, or is another user's."""
        told = self._told()
        return told if self._is_ours(told) else {}

    def _told(self) -> dict[str, str]:
        words = ("show", self.unit, f"--property={','.join(PROPERTIES)}")
        done = self.connection.run(self.argv("systemctl", *words, reading=True), b"", TIMEOUT_S)
        pairs = (line.partition("=") for line in done.stdout.decode(errors="replace").splitlines())
        told = {key: value for key, _, value in pairs}
        return told if told.get("LoadState") == "loaded" else {}

    def _is_ours(self, told: dict[str, str]) -> bool:
        return self.config_path in told.get("ExecStart", "")

    def check(self) -> None:
        """Raise IncompatibleError where there is no such manager, or no right to it."""
        name = self.board.name
        if "systemd" not in self.place.can:
            raise IncompatibleError(
                f"{name}: systemd does not run there, so nothing would start a service",
                f"supervised in the foreground: bramble camera run {name} --supervise --source …",
            )
        if self.system and "sudo" not in self.place.can:
            raise IncompatibleError(
                f"{name}: a system service needs root, and sudo asks {self.place.user} for a password",
                "leave out --system for a service of the user's own, or allow sudo without a password",
            )
        told = self._told()
        if told and not self._is_ours(told):
            raise UsageError(
                f"{name}: there is a {self.unit} already, which runs something else", "choose another name: --name"
            )

    def lingers(self) -> str:
        """Have the user's services start at boot and outlive the login; what a person must type, "" if it is so."""
        if self.system or "linger" in self.place.can:
            return ""
        user = self.place.user
        sudo = self._sudo() if "sudo" in self.place.can else []
        done = self.connection.run([*sudo, "loginctl", "enable-linger", user], b"", 60.0)
        return f"sudo loginctl enable-linger {user}" if done.status else ""

    def need_user_manager(self) -> None:
        """Wait for the user's own manager. Raises IncompatibleError where none comes."""
        if self.system:
            return
        bus = f"/run/user/{self.place.uid}/bus"
        if self.connection.run(["sh", "-c", WAITED, "sh", bus, str(WAIT_S)], b"", 60.0).status:
            raise IncompatibleError(
                f"{self.board.name}: no service manager of {self.place.user} runs there ({dirname(bus)} has no bus)",
                "install libpam-systemd and dbus-user-session there, or make it a system service: --system",
            )

    def _sudo(self) -> list[str]:
        return [] if self.place.uid == 0 else ["sudo", "-n"]


def managers(connection: Connection, board: Board, place: Place, name: str) -> list[Manager]:
    """The managers that may have a unit of that name, the user's own first; none without systemd."""
    if "systemd" not in place.can:
        return []
    kinds = [True] if place.uid == 0 else [False, True]
    return [Manager(connection, board, place, system, name) for system in kinds]
