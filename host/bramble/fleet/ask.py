"""Ask a board's agent: one request, one fresh process there, one answer; refusals become the host's errors."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from posixpath import join
from typing import TypeVar

from bramble.errors import BrambleError, IncompatibleError, UnreachableError, from_agent
from bramble.fleet.agent_zip import agent_zip
from bramble.fleet.types import Board, Connection, Done
from bramble_agent.codec import decode, encode
from bramble_agent.errors import AgentError
from bramble_agent.wire import WIRE_VERSION, ErrorAnswer

T = TypeVar("T")

NO_PYTHON = (126, 127)  # what a shell says of a command that cannot be run, or is not there
HASH = "import hashlib,sys;print(hashlib.sha256(open(sys.argv[1],'rb').read()).hexdigest())"


def ask(connection: Connection, board: Board, request: object, kind: type[T], timeout_s: float = 60.0) -> T:
    """Send ``request`` (a wire …Ask) and decode the answer as ``kind``; the agent is put there first if need be.

    Raises the host's error for what the agent refuses, UnreachableError where it dies in the middle.
    """
    verb = type(request).__name__.removesuffix("Ask").lower()
    message = {"version": WIRE_VERSION, "ask": verb, "body": encode(request)}
    agent = ensure_agent(connection, board)
    done = connection.run([board.python, agent], json.dumps(message).encode(), timeout_s)
    return decode_answer(board, done, kind)


def decode_answer(board: Board, done: Done, kind: type[T]) -> T:
    """The answer in an agent's output. Raises as ``ask`` does."""
    try:
        held = json.loads(done.stdout)
        if held["version"] != WIRE_VERSION:
            raise IncompatibleError(f"{board.name}: the agent speaks wire version {held['version']}", "push again")
        if "error" in held:
            refused = decode(ErrorAnswer, held["error"])
            raise from_agent(refused.code, f"{board.name}: {refused.message}", refused.hint)
        return decode(kind, held["answer"])
    except (ValueError, KeyError, TypeError, AgentError) as error:
        raise _failed(board, done, "stopped in the middle of its answer") from error


def ensure_agent(connection: Connection, board: Board) -> str:
    """The path of our agent on the board, uploaded and checked if it is not there."""
    packed = agent_zip()
    path = join(connection.root, "agents", f"{packed.digest}.zip")
    if connection.size(path) != len(packed.data):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "agent.zip"
            source.write_bytes(packed.data)
            upload(connection, board, source, path)
    return path


def upload(connection: Connection, board: Board, source: Path, target: str) -> None:
    """Copy a file to a board: to ``.part``, its sha256 compared on the far side, then renamed.

    Raises StorageError, UnreachableError, or IncompatibleError where the board has no Python.
    """
    part = f"{target}.part"
    connection.put(source, part)
    done = connection.run([board.python, "-c", HASH, part], b"", 120.0)
    if done.status:
        raise _failed(board, done, f"stopped while it checked {target}")
    expected = hashlib.sha256(source.read_bytes()).hexdigest()
    if done.stdout.decode(errors="replace").strip() != expected:
        raise UnreachableError(f"{board.name}: {target} did not arrive whole", "push again; check the board's storage")
    connection.rename(part, target)


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
