"""One SSH server for all tests of the fleet, boards that are reached through it, and a guard against hangs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from bramble.bundle import load_bundle
from bramble.fleet.connect import connect
from bramble.fleet.ssh import config as ssh_config
from bramble.fleet.types import LOCAL, Board, Connection
from bramble_agent.bundle import Bundle
from making import make_bundle
from serving import Server, board_of, serving

HANGS_S = 120


@pytest.fixture(autouse=True)
def hang_guard() -> Iterator[None]:
    """A test that hangs fails after two minutes instead of blocking all others."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"the test hangs ({HANGS_S} s)")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(HANGS_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def ssh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ~/.ssh of the test's own, with nothing in it, no agent, and no configuration of the machine."""
    folder = tmp_path / "user/.ssh"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(ssh_config, "SYSTEM", tmp_path / "etc-ssh")
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running OpenSSH server; not to be stopped by a test."""
    with serving(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, to be broken."""
    with serving(tmp_path / "sshd") as running:
        yield running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The board's folder; it does not exist yet."""
    return tmp_path / "a board" / ".bramble"


@pytest.fixture
def ssh_board(server: Server, root: Path) -> Board:
    """The board ``pi``, over SSH."""
    return board_of(server, root)


@pytest.fixture(params=["local", "ssh"])
def board(request: pytest.FixtureRequest, root: Path) -> Board:
    """A board, once this machine and once over SSH: tests that use it hold for both."""
    if request.param == "local":
        return Board(LOCAL, python=sys.executable, root=str(root))
    return board_of(request.getfixturevalue("server"), root)


@pytest.fixture
def connection(board: Board) -> Iterator[Connection]:
    """An open connection to ``board``."""
    with connect(board) as opened:
        yield opened


@pytest.fixture
def bundle_path(tmp_path: Path) -> Path:
    """The folder of a tiny int8 bundle."""
    return make_bundle(tmp_path / "bundle")


@pytest.fixture
def bundle(bundle_path: Path) -> Bundle:
    """The tiny bundle, checked."""
    return load_bundle(bundle_path)
