"""A board's camera loop in the foreground: its lines as they come, until it ends or is told to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bramble.errors import CameraError
from bramble.fleet.ask import decode_answer, during, message_of, with_agent
from bramble.fleet.camera.manager import Manager
from bramble.fleet.camera.place import Place
from bramble.fleet.follow import Follow
from bramble.fleet.types import Board, Connection, Done
from bramble_agent.wire_camera import CameraAnswer, CameraAsk

OnLine = Callable[[dict[str, Any]], None]
Over = Callable[[], bool]
STOP = b"stop\n"


def watch(connection: Connection, board: Board, request: CameraAsk, on_line: OnLine, over: Over) -> CameraAnswer:
    """Run a loop on a board until it ends by itself, or ``over`` says so. Raises what the agent refuses."""
    last = b""

    def hear(raw: bytes) -> None:
        nonlocal last
        line = _line(raw)
        if line is None:
            last = raw
        else:
            on_line(line)

    def run(agent: str) -> Done:
        done = connection.follow([board.python, agent], Follow(message_of(request), hear, over, STOP))
        return Done(done.status, last, done.stderr)

    with during("camera", board), _naming_the_machine(request.source, board):
        return decode_answer(board, with_agent(connection, board, True, run), CameraAnswer)


def supervise(connection: Connection, board: Board, request: CameraAsk, on_line: OnLine, over: Over) -> None:
    """The same under the agent's own supervisor, which starts the loop anew when it fails.

    What goes wrong comes as lines {"note": …}. Raises CameraError once it has given up.
    """
    place = Place("", "", request.root, board.python, "", 0)
    manager = Manager(connection, board, place, system=False, name=request.name)
    manager.write(manager.config_path, message_of(request).decode(), "600", own=True)

    def hear(raw: bytes) -> None:
        line = _line(raw)
        if line is not None:
            on_line(line)
            return
        refused = (_json(raw) or {}).get("error")
        if refused:
            on_line({"note": f"{refused['message']} → {refused['hint']}"})

    def run(agent: str) -> Done:
        how = Follow(b"", hear, over, STOP, patience_s=40.0)
        return connection.follow([board.python, agent, "--supervise", manager.config_path], how)

    with during("camera", board):
        done = with_agent(connection, board, True, run)
    if done.status:
        raise CameraError(f"{board.name}: the camera loop failed too often", "what it said is above")


def _line(raw: bytes) -> dict[str, Any] | None:
    """The line that an agent tells; None for an answer, and for what is none of its lines."""
    line = (_json(raw) or {}).get("line")
    return line if isinstance(line, dict) else None


def _json(raw: bytes) -> dict[str, Any] | None:
    try:
        held = json.loads(raw)
    except ValueError:
        return None
    return held if isinstance(held, dict) else None


@contextmanager
def _naming_the_machine(source: str, board: Board) -> Iterator[None]:
    """Within, a source that is missing on a board but lies on this machine is told to be so."""
    try:
        yield
    except CameraError as error:
        scheme, _, path = source.partition(":")
        if board.host and scheme in ("folder", "file") and Path(path.partition("?")[0]).expanduser().exists():
            hint = f"it is on this machine: copy it to {board.name}, or ask the board 'local'"
            raise CameraError(error.message, hint) from error
        raise
