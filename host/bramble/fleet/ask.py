"""Ask a board's agent: one request, one fresh process there, one answer; refusals become the host's errors."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from posixpath import join
from typing import TypeVar

from bramble.errors import BrambleError, IncompatibleError, StorageError, UnreachableError, UsageError, from_agent
from bramble.fleet.agent_zip import agent_zip
from bramble.fleet.types import Board, Connection, Done
from bramble_agent.codec import decode, encode
from bramble_agent.errors import AgentError
from bramble_agent.wire import WIRE_VERSION, ErrorAnswer

T = TypeVar("T")

NO_PYTHON = (126, 127)  # what a shell says of a command that cannot be run, or is not there
STEPS = {
    "release": "the board was checking the release and making it current",
    "take": "the board was taking files",
    "verify": "the board was giving the golden answers",
    "bench": "the board was measuring",
    "install": "the board was installing and proving a runtime",
    "rollback": "the board was going back to the release before",
    "probe": "the board was asked what it is",
    "camera": "the board was looking",
    "control": "the board's camera loop was spoken to",
}  # by verb of the agent, for one that does not come to its end
SWITCHING = ("release", "rollback")
OF_PEOPLE = ("CameraAnswer", "ControlAnswer")  # answers to what a person wrote: sources, actions, thresholds
CAMERA_VERBS = ("camera", "control")  # they need the whole agent
CANNOT_OPEN = 2  # Python's status where the file to run is not there
SETUP = "bramble board setup"  # what the agent advises; it does not know its name
REPORT_IT = "this is a bug in Bramble: please report it"
REMOVE = "import os,sys;os.remove(sys.argv[1])"
HASH = "import hashlib,sys;print(hashlib.sha256(open(sys.argv[1],'rb').read()).hexdigest())"


def ask(
    connection: Connection,
    board: Board,
    request: object,
    kind: type[T],
    timeout_s: float = 60.0,
    payload: Iterable[bytes] | None = None,
) -> T:
    """Send ``request`` (a wire …Ask) and decode the answer as ``kind``.

    The agent is put there first if it is not; where files follow the request (``payload``), it must be there already.
    ``timeout_s`` counts from the last byte that moved. Raises the host's error for what the agent refuses,
    UnreachableError where it dies in the middle.
    """
    verb, message = verb_of(request), message_of(request)
    with during(verb, board):
        if payload is not None:
            done = connection.run([board.python, agent_path(connection)], chain([message], payload), timeout_s)
        else:
            camera = verb in CAMERA_VERBS
            done = with_agent(
                connection, board, camera, lambda agent: connection.run([board.python, agent], message, timeout_s)
            )
        return decode_answer(board, done, kind)


def verb_of(request: object) -> str:
    """The agent's verb for a wire …Ask."""
    return type(request).__name__.removesuffix("Ask").lower()


def message_of(request: object) -> bytes:
    """A request as the agent reads it."""
    held = {"version": WIRE_VERSION, "ask": verb_of(request), "body": encode(request)}
    return json.dumps(held).encode() + b"\n"


def with_agent(connection: Connection, board: Board, camera: bool, run: Callable[[str], Done]) -> Done:
    """What ``run`` makes of the agent's path; the agent is put there first, and ``run`` called anew, if it was not."""
    agent = agent_path(connection, camera)
    done = run(agent)
    if _is_absent(done) or (_is_odd(done) and _is_damaged(connection, board, agent, camera)):
        put_agent(connection, board, camera)
        done = run(agent)
    return done


@contextmanager
def during(verb: str, board: Board) -> Iterator[None]:
    """Say of a link or an agent that fails which step was running, and what is current on the board now."""
    try:
        yield
    except UnreachableError as error:
        if type(error) is not UnreachableError:  # a refusal: it says itself what it is
            raise
        raise UnreachableError(
            f"{error.message} (while {STEPS.get(verb, verb)})", f"{error.hint}; {left_behind(verb, board.name)}"
        ) from error


def left_behind(verb: str, name: str) -> str:
    """What is current on a board where an agent's verb was broken off."""
    if verb == "install":
        return "what was in use there stays in use; the same command goes on"
    if verb in SWITCHING:
        return f"the old or the new release is current, whole: `bramble board probe {name}` shows which"
    return "what was current there stays current; the same command goes on"


def decode_answer(board: Board, done: Done, kind: type[T]) -> T:
    """The answer in an agent's output. Raises as ``ask`` does."""
    try:
        held = json.loads(done.stdout)
        if held["version"] != WIRE_VERSION:
            raise IncompatibleError(f"{board.name}: the agent speaks wire version {held['version']}", "push again")
        if "error" in held:
            raise _refusal(board, decode(ErrorAnswer, held["error"]), kind.__name__ in OF_PEOPLE)
        return decode(kind, held["answer"])
    except (ValueError, KeyError, TypeError, AgentError) as error:
        raise _failed(board, done, "stopped in the middle of its answer") from error


def _refusal(board: Board, refused: ErrorAnswer, of_people: bool) -> BrambleError:
    """The error for an agent's refusal; of a crash's traceback only the last line is shown.

    ``of_people``: what the request said came from a person, so one that makes no sense is their mistake.
    """
    if refused.code == "bad-request" and of_people:
        return UsageError(f"{board.name}: {refused.message}", refused.hint)
    if refused.code != "crash":
        hint = refused.hint
        if refused.code == "runtime-missing" and board.host and ("pip install" in hint or hint == SETUP):
            hint = f"{SETUP} {board.name}"
        return from_agent(refused.code, f"{board.name}: {refused.message}", hint)
    lines = refused.hint.strip().splitlines() or [refused.message]
    return BrambleError(f"{board.name}: the agent crashed: {lines[-1]}", REPORT_IT)


def _is_odd(done: Done) -> bool:
    """Whether an agent said what a whole one never says: a damaged file on the board may be the cause."""
    if done.status < 0 or done.status in NO_PYTHON:
        return False
    try:
        held = json.loads(done.stdout)
    except ValueError:
        return True
    error = held.get("error") if isinstance(held, dict) else None
    return isinstance(error, dict) and error.get("code") == "crash"


def _is_absent(done: Done) -> bool:
    """Whether Python said that there is no such file to run."""
    return done.status == CANNOT_OPEN and not done.stdout and b"can't open file" in done.stderr


def _is_damaged(connection: Connection, board: Board, path: str, camera: bool) -> bool:
    """Whether the agent that is on the board has other bytes than ours."""
    return _sha256_there(connection, board, path) != agent_zip(camera).digest


def agent_path(connection: Connection, camera: bool = False) -> str:
    """Where our agent, the whole one with ``camera``, is on the board, or will be."""
    return join(connection.root, "agents", f"{agent_zip(camera).digest}.zip")


def put_agent(connection: Connection, board: Board, camera: bool) -> None:
    """Put our agent on the board."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "agent.zip"
        source.write_bytes(agent_zip(camera).data)
        upload(connection, board, source, agent_path(connection, camera))


def upload(connection: Connection, board: Board, source: Path, target: str) -> None:
    """Copy a file to a board: to a ``.part`` of our own, its sha256 compared on the far side, then renamed.

    Raises StorageError, UnreachableError, or IncompatibleError where the board has no Python.
    """
    part = f"{target}.{os.getpid()}-{secrets.token_hex(4)}.part"
    try:
        _put_whole(connection, board, source, part, target)
    except BrambleError:
        _remove(connection, board, part)
        raise


def _put_whole(connection: Connection, board: Board, source: Path, part: str, target: str) -> None:
    expected = hashlib.sha256(source.read_bytes()).hexdigest()
    connection.put(source, part)
    done = connection.run([board.python, "-c", HASH, part], b"", 120.0)
    if done.status:
        raise _failed(board, done, f"stopped while it checked {target}")
    if done.stdout.decode(errors="replace").strip() != expected:
        raise UnreachableError(f"{board.name}: {target} did not arrive whole", "push again; check the board's storage")
    try:
        connection.rename(part, target)
    except StorageError:
        if _sha256_there(connection, board, target) != expected:  # else another push was faster
            raise
        _remove(connection, board, part)


def _remove(connection: Connection, board: Board, path: str) -> None:
    """Remove a file on the board where that can be; the error that led here is the one to tell."""
    with suppress(BrambleError):
        connection.run([board.python, "-c", REMOVE, path], b"", 30.0)


def _sha256_there(connection: Connection, board: Board, path: str) -> str:
    """The sha256 of a file on the board; empty where it cannot be read."""
    done = connection.run([board.python, "-c", HASH, path], b"", 120.0)
    return "" if done.status else done.stdout.decode(errors="replace").strip()


def _failed(board: Board, done: Done, what: str) -> BrambleError:
    if done.status in NO_PYTHON:
        return _no_python(board)
    how = f"exit status {done.status}" if done.status >= 0 else "killed by a signal"
    return UnreachableError(
        f"{board.name}: the agent {what} ({how}) {_tail(done)}".rstrip(),
        "out of memory? `bramble board probe` shows how much is free",
    )


def _no_python(board: Board) -> IncompatibleError:
    return IncompatibleError(
        f"{board.name}: there is no Python at {board.python!r} on the board",
        "on the board: sudo apt install python3, or name another with `bramble board add --python`",
    )


def _tail(done: Done) -> str:
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
