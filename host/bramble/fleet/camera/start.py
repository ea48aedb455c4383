"""Make a board's camera loop a service: tried in the foreground first, then installed, started and waited for.

What cannot work (no camera, an unknown action, labels that do not match) is refused by the trial, and whatever ran
before runs on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from posixpath import dirname, join

from bramble.errors import CameraError, UsageError
from bramble.events import Note, OnEvent, Step
from bramble.fleet.ask import agent_path, message_of, put_agent
from bramble.fleet.camera.journal import last_lines
from bramble.fleet.camera.manager import Manager, managers
from bramble.fleet.camera.place import Place
from bramble.fleet.camera.unit import Unit, unit_text
from bramble.fleet.camera.watch import watch
from bramble.fleet.types import Board, Connection
from bramble_agent.wire_camera import CameraAnswer, CameraAsk

MEMORY = re.compile(r"[1-9][0-9]{0,15}[KMGT%]?|infinity")
TRIAL_S = 45.0
QUIET = 100_000
FILES = ("jsonl", "snapshot")  # actions that write where they say


@dataclass(frozen=True)
class How:
    """Whose service it is, and what it may use: memory as systemd takes it, CPU in percent of a core (0: no cap)."""

    system: bool = False
    memory: str = "50%"
    cpu: int = 0


@dataclass(frozen=True)
class Started:
    """What runs now; ``to_type`` is what a person must type on the board so that it starts at boot ("": it does)."""

    unit: str
    kind: str
    release: str
    to_type: str


def check_memory(text: str) -> str:
    """A cap as systemd takes it: "512M", "50%", "infinity". Raises UsageError."""
    share = text[:-1]
    if not MEMORY.fullmatch(text) or (text.endswith("%") and not 0 < int(share) <= 100):
        raise UsageError(f"--memory {text!r} is no amount of memory", "a size like 300M, or a share like 50%")
    return text


def start(
    connection: Connection, board: Board, place: Place, request: CameraAsk, how: How, on_event: OnEvent
) -> Started:
    """Install and start the service that ``request`` describes, in place of one of the same name.

    Raises IncompatibleError where no service is possible, what the agent refuses, CameraError where it does not run.
    """
    manager = Manager(connection, board, place, how.system or place.uid == 0, request.name)
    manager.check()
    on_event(Step("trying it"))
    to_type = manager.lingers()
    manager.need_user_manager()
    before = [one for one in managers(connection, board, place, request.name) if one.state()]
    running = [one for one in before if one.state().get("ActiveState") in ("active", "activating")]
    for one in running:
        one.need("stop", one.unit)
    try:
        answer = tried(connection, board, request, on_event)
        on_event(Step("installing the service"))
        _install(manager, request, how, on_event)
    except BaseException:
        for one in running:
            one.run("start", one.unit)
        raise
    for one in before:
        if one.system != manager.system:  # it was the user's and is the system's now, or the other way round
            one.run("disable", one.unit)
            one.connection.run([*(["sudo", "-n"] if one.system else []), "rm", "-f", one.unit_path], b"", 60.0)
    on_event(Step("starting it"))
    manager.need("daemon-reload")
    manager.need("enable", manager.unit)
    manager.run("reset-failed", manager.unit)
    if manager.run("restart", manager.unit).status:
        said = last_lines(manager, 5)
        manager.run("disable", "--now", manager.unit)
        raise CameraError(f"{board.name}: {manager.unit} does not start: {said or 'it says nothing'}", manager.hint())
    return Started(manager.unit, manager.kind, answer.status.release, to_type)


def tried(connection: Connection, board: Board, request: CameraAsk, on_event: OnEvent) -> CameraAnswer:
    """Look at one frame as the service will. Raises what the agent refuses, CameraError where no frame comes."""
    until = time.monotonic() + TRIAL_S
    quiet = replace(request.decide, hold=QUIET)  # a trial must ring no bell: one frame makes no event
    once = replace(
        request, frames=1, fps=None, every=1, motion=0.0, deadline_ms=None, tell="nothing", page="", decide=quiet
    )
    answer = watch(connection, board, once, lambda line: None, lambda: time.monotonic() > until)
    if not answer.status.frames:
        why = answer.status.trouble or f"no frame came within {TRIAL_S:g} s"
        raise CameraError(f"{board.name}: {request.source}: {why}", "does it work with `bramble camera run`?")
    on_event(Note(f"{board.name}: {request.source} gives frames, release {answer.status.release[:12]} looks at them"))
    return answer


def _install(manager: Manager, request: CameraAsk, how: How, on_event: OnEvent) -> None:
    """Write the loop's request and its unit."""
    place = manager.place
    if "namespaces" not in place.can and not manager.system:
        said = f"{manager.board.name}: users may make no namespaces there, so the service is confined less"
        on_event(Note(f"{said}; --system confines it wholly", warning=True))
    if "memory" not in place.can:
        said = f"{manager.board.name}: its kernel does not count memory by service, so the cap has no effect"
        on_event(Note(f"{said}; add cgroup_enable=memory to /boot/firmware/cmdline.txt", warning=True))
    put_agent(manager.connection, manager.board, camera=True)  # the trial's may be older than a clean-up
    agent = join(place.root, "agents", agent_path(manager.connection, camera=True).rpartition("/")[2])
    manager.write(manager.config_path, message_of(request).decode(), "600", own=True)
    manager.write(manager.agent_path, agent.rpartition("/")[2], "600", own=True)
    unit = Unit(
        name=request.name,
        board=manager.board.name,
        command=(place.python, agent, "--camera", manager.config_path),
        start=place.start,
        root=place.root,
        user=place.user if manager.system else "",
        writable=writable(request.actions, place.start, place.home),
        memory=how.memory,
        cpu=how.cpu,
        namespaces="namespaces" in place.can,
    )
    manager.write(manager.unit_path, unit_text(unit), "644", own=not manager.system)


def writable(actions: Sequence[str], start: str, home: str) -> tuple[str, ...]:
    """The folders that actions write to, by what they say: a file's own, or the folder itself."""
    found = []
    for text in actions:
        scheme, _, rest = text.partition(":")
        path = rest.partition("?")[0]
        if scheme in FILES and path:
            whole = join(home, path[2:]) if path.startswith("~/") else join(start, path)
            found.append(dirname(whole) if scheme == "jsonl" else whole)
    return tuple(dict.fromkeys(found))


def stop(connection: Connection, board: Board, place: Place, name: str) -> list[str]:
    """Stop the services of that name, now and at the next boot; the units that were there."""
    stopped = []
    for manager in managers(connection, board, place, name):
        if manager.state():
            if manager.system and "sudo" not in place.can:
                manager.check()
            manager.need("disable", "--now", manager.unit)
            manager.remove()
            manager.run("daemon-reload")
            manager.run("reset-failed", manager.unit)
            stopped.append(manager.unit)
    return stopped
