"""What is particular to this machine as a board."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bramble.errors import UnreachableError
from bramble.fleet.connect import connect
from bramble.fleet.inventory import local_board
from bramble.fleet.local import LocalConnection
from bramble.fleet.types import Board


def test_local_board_is_local(home: Path) -> None:
    """The board of the inventory is reached without a network, and its releases lie below the home of Bramble."""
    with connect(local_board()) as connection:
        assert isinstance(connection, LocalConnection)
        assert connection.root == str(home / "local-board")


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A root below ``~`` is below the user's home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert LocalConnection(Board("b", root="~/x y")).root == f"{tmp_path}/x y"


def test_given_up_command_is_ended(tmp_path: Path) -> None:
    """A command that was given up does not go on behind our back."""
    alive = tmp_path / "alive"
    connection = LocalConnection(Board("b", root=str(tmp_path)))
    with pytest.raises(UnreachableError):
        connection.run(["sh", "-c", f"sleep 0.3; touch '{alive}'"], b"", 0.1)
    time.sleep(0.4)
    assert not alive.exists()
