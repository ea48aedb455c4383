"""Speak with a loop that runs: a Unix socket for its own user, one JSON line in, one out, then it hangs up.

    <root>/camera/<name>.sock   {"version": …, "do": "status" | "thresholds" | "swap" | "stop", "tuning": …, "swap": …}
    <root>/camera/<name>.lock   held by the loop of that name while it lives

The answer is {"version", "answer"} with the loop's status, or {"version", "error"}. Whatever is sent, the loop lives:
lines are limited in length and in time, a handful are served at once.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ..bundle import NAME
from ..codec import decode, encode
from ..errors import AgentError, BadRequest, Busy, CameraMissing
from ..files import storing
from ..wire import WIRE_VERSION, ErrorAnswer
from ..wire_camera import CameraStatus, ControlAsk, SwapHow, Tuning

LINE_BYTES = 64 << 10
PATIENCE_S = 2.0  # for a line to come whole, and for an answer to be taken
ANSWER_BYTES = 4 << 20
ANSWER_S = 10.0
AT_ONCE, WAITING = 4, 16
DOES = ("status", "thresholds", "swap", "stop")


@dataclass(frozen=True)
class Command:
    """A line that was sent."""

    version: int
    do: str
    tuning: Tuning = field(default_factory=Tuning)
    swap: SwapHow = field(default_factory=SwapHow)


Handle = Callable[[Command], CameraStatus]


@contextmanager
def listening(root: Path, name: str, handle: Handle) -> Iterator[None]:
    """Within, lines sent to the socket are answered by ``handle``, which may raise AgentError, in other threads.

    Raises Busy where another loop of that name runs, BadRequest for a name that is none, StorageFailed.
    """
    check_name(name)
    folder = root / "camera"
    with ExitStack() as stack:
        with storing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            _hold(stack.enter_context(open(folder / f"{name}.lock", "w")), name)
            server = stack.enter_context(_bound(folder, name))
        over = threading.Event()
        thread = threading.Thread(target=_serve, args=(server, handle, over), name="control", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            thread.join(PATIENCE_S)
            (folder / f"{name}.sock").unlink(missing_ok=True)


def _hold(lock: IO[str], name: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy(f"a camera loop called {name!r} runs already", "stop it, or give this one another name") from None


def command(ask: ControlAsk) -> CameraStatus:
    """Send a command to a loop on this machine; its status then.

    Raises CameraMissing where no such loop runs, and what the loop refuses, with its code.
    """
    check_name(ask.name)
    folder = Path(ask.root).expanduser() / "camera"
    line = json.dumps({"version": WIRE_VERSION, "do": ask.do, "tuning": encode(ask.tuning), "swap": encode(ask.swap)})
    try:
        raw = _asked(folder, ask.name, line.encode() + b"\n")
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        hint = "start one, or ask for its name with --name"
        raise CameraMissing(f"no camera loop called {ask.name!r} runs here", hint) from error
    except PermissionError as error:
        hint = "ask as the user that runs it"
        raise CameraMissing(f"the camera loop {ask.name!r} is another user's", hint) from error
    except OSError as error:
        hint = "is it about to end, or the board overloaded?"
        raise CameraMissing(f"the camera loop {ask.name!r} does not answer: {error.strerror or error}", hint) from error
    try:
        held = json.loads(raw)
        if "error" in held:
            told = decode(ErrorAnswer, held["error"])
        else:
            return decode(CameraStatus, held["answer"])
    except (ValueError, KeyError, TypeError) as error:
        raise CameraMissing(f"the camera loop {ask.name!r} did not answer whole", "is it about to end?") from error
    refusal = AgentError(told.message, told.hint)
    refusal.code = told.code
    raise refusal


def check_name(name: str) -> None:
    """Raise BadRequest for a name that cannot be part of a path."""
    if not NAME.fullmatch(name):
        raise BadRequest(
            f"a loop cannot be called {name[:80]!r}", "up to 64 of a-z, 0-9, dot, dash and underscore, first no sign"
        )


def _asked(folder: Path, name: str, line: bytes) -> bytes:
    with _near(folder) as near, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(ANSWER_S)
        _connect(client, f"{near}/{name}.sock")
        client.sendall(line)
        return _line(client, ANSWER_BYTES, ANSWER_S)


def _connect(client: socket.socket, path: str) -> None:
    """Connect; where too many are waiting to be heard, a Unix socket says so at once."""
    until = time.monotonic() + ANSWER_S
    while True:
        try:
            client.connect(path)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.02)
        else:
            return


@contextmanager
def _near(folder: Path) -> Iterator[str]:
    """A short name for a folder: a socket's path has room for 107 bytes only."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _bound(folder: Path, name: str) -> socket.socket:
    """A socket that only its user may connect to; under its name there is only one that listens."""
    fresh = folder / f".{name}.sock"
    fresh.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _near(folder) as near:
            server.bind(f"{near}/{fresh.name}")
        os.chmod(fresh, stat.S_IRUSR | stat.S_IWUSR)
        server.listen(WAITING)
        os.replace(fresh, folder / f"{name}.sock")  # that of a loop that was killed too: its lock is ours
    except OSError:
        server.close()
        raise
    return server


def _serve(server: socket.socket, handle: Handle, over: threading.Event) -> None:
    room = threading.Semaphore(AT_ONCE)
    while not over.is_set():
        try:
            client, _ = server.accept()
        except OSError:
            over.wait(0.1)  # out of file handles, or closed
            continue
        room.acquire()
        threading.Thread(target=_one, args=(client, handle, room), name="control line", daemon=True).start()


def _one(client: socket.socket, handle: Handle, room: threading.Semaphore) -> None:
    try:
        with client, suppress(OSError):
            client.settimeout(PATIENCE_S)
            client.sendall(answered(_line(client, LINE_BYTES, PATIENCE_S), handle))
    finally:
        room.release()


def _line(client: socket.socket, most: int, patience_s: float) -> bytes:
    """The bytes up to the first end of line, the end of what comes, or the limit."""
    got, until = b"", time.monotonic() + patience_s
    while b"\n" not in got and len(got) <= most:
        client.settimeout(max(0.001, until - time.monotonic()))
        block = client.recv(min(LINE_BYTES, most + 1 - len(got)))
        if not block:
            break
        got += block
    return got.partition(b"\n")[0] if len(got) <= most or b"\n" in got[: most + 1] else got


def answered(line: bytes, handle: Handle) -> bytes:
    """The answer to a line, whatever it is."""
    answer: dict[str, Any]
    try:
        answer = {"answer": encode(handle(read(line)))}
    except AgentError as error:
        answer = {"error": encode(ErrorAnswer(error.code, error.message, error.hint))}
    except Exception as error:  # noqa: BLE001 - the control thread's border: a line must not end the loop
        answer = {"error": encode(ErrorAnswer("crash", f"{type(error).__name__}: {error}", ""))}
    return json.dumps({"version": WIRE_VERSION, **answer}).encode() + b"\n"


def read(line: bytes) -> Command:
    """The command in a line. Raises BadRequest."""
    if len(line) > LINE_BYTES:
        raise BadRequest(f"a line of more than {LINE_BYTES:,} bytes", "send one JSON object and an end of line")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"not a command: {error}", "send one JSON object and an end of line") from error
    found = decode(Command, value, "command")
    if found.version != WIRE_VERSION:
        raise BadRequest(f"wire version {found.version}, this loop speaks {WIRE_VERSION}", "update the older side")
    if found.do not in DOES:
        raise BadRequest(f"unknown command {found.do[:80]!r}", f"one of {', '.join(DOES)}")
    return found
