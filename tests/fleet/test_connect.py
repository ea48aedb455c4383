"""Which way leads to a board."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bramble.errors import UnreachableError
from bramble.fleet.connect import connect
from bramble.fleet.local import LocalConnection
from bramble.fleet.ssh.connection import SshConnection
from bramble.fleet.types import Board
from serving import Server, board_of


def test_no_host_is_this_machine(root: str) -> None:
    """A board without a host is reached without a network."""
    with connect(Board("b", root=str(root))) as connection:
        assert isinstance(connection, LocalConnection)


def test_host_is_ssh(ssh_board: Board) -> None:
    """A board with a host is reached over SSH, and the session ends with the block."""
    with connect(ssh_board) as connection:
        assert isinstance(connection, SshConnection)
        transport = connection._link.transport
        assert transport.is_active()
    assert not transport.is_active()


def test_nobody_there(server: Server, root: str) -> None:
    """A board that is off is an error before the block begins."""
    with pytest.raises(UnreachableError), connect(board_of(server, root, port=1)):
        pytest.fail("there was a connection")


def test_local_needs_no_ssh() -> None:
    """Who only uses this machine does not wait for paramiko to load."""
    code = (
        "import sys; from bramble.fleet.connect import connect; from bramble.fleet.types import Board\n"
        "with connect(Board('b')): print('paramiko' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert told == "False\n"
