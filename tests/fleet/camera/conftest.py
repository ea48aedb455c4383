"""A board with a release, and what the camera's verbs know of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bramble.bundle import load_bundle
from bramble.fleet.camera.place import Place, look
from bramble.fleet.camera.request import on_board
from bramble.fleet.camera.watch import watch
from bramble.fleet.connect import connect
from bramble.fleet.release.push import How, push
from bramble.fleet.types import Board, Connection
from bramble_agent.wire_camera import CameraAnswer, CameraAsk
from looking import until
from making import make_bundle

Pushes = Callable[..., str]


@pytest.fixture
def pushed(connection: Connection, board: Board, tmp_path: Path) -> Pushes:
    """Pushes a bundle of that name, and gives its digest."""

    def bring(name: str, **changes: Any) -> str:
        bundle = load_bundle(make_bundle(tmp_path / name, name=name, **changes))
        assert push(connection, board, bundle, How()).state == "current"
        return bundle.digest

    return bring


@pytest.fixture
def place(connection: Connection, board: Board, pushed: Pushes) -> Place:
    """The board with a release."""
    pushed("one")
    return look(connection, board)


@contextmanager
def looping(board: Board, place: Place, **asked: Any) -> Iterator[list[CameraAnswer]]:
    """A loop that runs in the foreground over a connection of its own; the answer is in the list at the end."""
    over, lines, answers = threading.Event(), [], []
    request = on_board(CameraAsk("", **{"source": "synthetic:?fps=50", **asked}), place)

    def run() -> None:
        with connect(board) as connection:
            answers.append(watch(connection, board, request, lines.append, over.is_set))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(lambda: bool(lines) or not thread.is_alive(), 60.0)
        yield answers
    finally:
        over.set()
        thread.join(60)
