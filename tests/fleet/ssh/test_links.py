"""Bad networks: links that stall, are cut at any byte, damaged, slow or far away. Everything ends, and can be repeated.

That a thing ends is the hang guard's to tell, which rings early here: nothing waits longer than the times given.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from bramble.errors import UnreachableError
from bramble.fleet.ask import ask
from bramble.fleet.connect import connect
from bramble.fleet.ssh import config, connection, files, link, watch
from bramble.fleet.ssh.login import host_key_of
from bramble.fleet.types import Board, Connection
from bramble_agent.wire import ProbeAnswer, ProbeAsk
from bramble_agent.wire_release import RollbackAnswer, RollbackAsk
from proxy import Faults, Proxy, proxied
from serving import Server, board_of

ENDS_S = 20
SIZE = 20_000_000
Work = Callable[[Connection, Path, str], object]


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch, hang_guard: None) -> None:
    """No patience, so that a test that hangs is told soon."""
    monkeypatch.setattr(config, "CONNECT_S", 1.5)
    monkeypatch.setattr(connection, "CONNECT_S", 1.5)
    monkeypatch.setattr(files, "OPEN_S", 1.5)
    monkeypatch.setattr(files, "SILENCE_S", 1.5)
    signal.alarm(ENDS_S)


@pytest.fixture
def line(server: Server) -> Iterator[Proxy]:
    """A network before the server, without faults yet."""
    with proxied(server.port) as proxy:
        yield proxy


@pytest.fixture
def far(server: Server, root: Path, line: Proxy) -> Board:
    """The board behind that network."""
    return board_of(server, root, port=line.port)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A file that no buffer on the way holds."""
    path = tmp_path / "big"
    path.write_bytes(os.urandom(1 << 20) * (SIZE >> 20))
    return path


def blocks(path: Path) -> Iterator[bytes]:
    """A file in blocks."""
    with path.open("rb") as file:
        while block := file.read(1 << 18):
            yield block


def run_stdin(connection: Connection, big: Path, root: str) -> object:
    """Bytes into a command."""
    return connection.run(["sh", "-c", "cat > /dev/null"], big.read_bytes(), 2.0)


def run_blocks(connection: Connection, big: Path, root: str) -> object:
    """Blocks into a command."""
    return connection.run(["sh", "-c", "cat > /dev/null"], blocks(big), 1.5)


def run_output(connection: Connection, big: Path, root: str) -> object:
    """Much output of a command."""
    return connection.run(["cat", str(big)], b"", 2.0)


def put(connection: Connection, big: Path, root: str) -> object:
    """A file to the board."""
    return connection.put(big, f"{root}/put")


ALL = [run_stdin, run_blocks, run_output, put]


@pytest.mark.parametrize("work", ALL)
@pytest.mark.parametrize("fault", ["stall", "cut"])
@pytest.mark.parametrize("at", [20, *(pytest.param(at, marks=pytest.mark.slow) for at in (40_000, 5_000_000))])
def test_fault_in_the_middle(far: Board, line: Proxy, big: Path, root: Path, work: Work, fault: str, at: int) -> None:
    """A link that stalls or breaks while much is moved is unreachable, soon; the same work then succeeds."""
    with connect(far) as connection:
        setattr(line.faults, fault, line.moved + at)
        with pytest.raises(UnreachableError):
            work(connection, big, str(root))
    line.faults = Faults()
    with connect(far) as connection:
        work(connection, big, str(root))
    if work is put:
        assert (root / "put").read_bytes() == big.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("at", [0, 100, 600])
def test_stall_of_small_work(far: Board, line: Proxy, at: int) -> None:
    """A rename ends too."""
    with connect(far) as connection:
        line.faults.stall = line.moved + at
        with pytest.raises(UnreachableError):
            connection.rename("/a", "/b")


@pytest.fixture
def short_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link without any answer is dead after two seconds."""
    monkeypatch.setattr(link, "KEEPALIVE_S", 0.3)
    monkeypatch.setattr(watch, "SILENCE_S", 2.0)
    monkeypatch.setattr(connection, "SILENCE_S", 2.0)


@pytest.mark.slow
@pytest.mark.usefixtures("short_silence")
def test_silent_link(far: Board, line: Proxy) -> None:
    """A link that takes everything and gives nothing is found dead long before the command's own time is over."""
    with connect(far) as connection:
        threading.Timer(0.7, setattr, (line.faults, "stall", 0)).start()
        with pytest.raises(UnreachableError, match="pi: no sign of life for 2 s") as caught:
            connection.run(["sleep", "60"], b"", 600.0)
    assert "power" in caught.value.hint


@pytest.mark.slow
@pytest.mark.usefixtures("short_silence")
def test_long_work_is_no_silence(far: Board) -> None:
    """A command that says nothing for longer than that is waited for: its server answers."""
    with connect(far) as connection:
        assert connection.run(["sh", "-c", "sleep 5; echo there"], b"", 60.0).stdout == b"there\n"


@pytest.mark.slow
@pytest.mark.usefixtures("short_silence")
def test_question_on_a_silent_link(far: Board, line: Proxy) -> None:
    """What was asked for is named, and what is current on the board now."""
    with connect(far) as connection:
        ask(connection, far, ProbeAsk(connection.root), ProbeAnswer)
        line.faults.stall = line.moved
        with pytest.raises(
            UnreachableError, match=r"no sign of life .* \(while the board was asked what it is\)"
        ) as caught:
            ask(connection, far, ProbeAsk(connection.root), ProbeAnswer, 600.0)
        assert caught.value.hint.endswith("what was current there stays current; the same command goes on")
        with pytest.raises(UnreachableError, match="going back") as caught:
            ask(connection, far, RollbackAsk(connection.root), RollbackAnswer, 600.0)
        assert caught.value.hint.endswith("`bramble board probe pi` shows which")


@pytest.mark.slow
@pytest.mark.parametrize(("at", "what"), [(0, "answer the greeting"), (1100, "finish the handshake")])
def test_server_that_hangs_at_the_door(far: Board, line: Proxy, at: int, what: str) -> None:
    """A server that accepts and says nothing is told in plain words."""
    line.faults.stall = at
    with pytest.raises(UnreachableError, match=rf"the server there did not {what} in 1\.5 s"), connect(far):
        pytest.fail("there was a connection")


def visit(board: Board) -> None:
    """Log in, run a command, write a file."""
    with connect(board) as connection:
        assert connection.run(["cat"], b"there", 2.0).stdout == b"there"
        connection.put(Path("/etc/hostname"), f"{connection.root}/hostname")


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["cut", "damage"])
def test_fault_at_any_byte(far: Board, line: Proxy, fault: str) -> None:
    """Wherever between the first and the last byte a link is cut or a bit flips: unreachable, nothing else."""
    signal.alarm(10 * ENDS_S)
    visit(far)
    visit(far)  # shorter: folders are there now
    positions = [*range(0, 60, 7), *range(60, line.moved - 100, 211)]
    for at in positions:
        line.faults = Faults(**{fault: at})
        with pytest.raises(UnreachableError):
            visit(far)
    line.faults = Faults()
    visit(far)


@pytest.mark.slow
@pytest.mark.parametrize("at", [0, 10, 200, 1200, 2000, 3000])
def test_stall_of_the_login(far: Board, line: Proxy, at: int) -> None:
    """A server that falls silent while we log in or ask for its key is given up in time."""
    line.faults.stall = at
    with pytest.raises(UnreachableError), connect(far):
        pytest.fail("there was a connection")
    if at < 1000:
        with pytest.raises(UnreachableError):
            host_key_of("127.0.0.1", line.port)


@pytest.mark.slow
def test_far_away(far: Board, line: Proxy, root: Path, tmp_path: Path) -> None:
    """With 200 ms each way everything works."""
    signal.alarm(3 * ENDS_S)
    line.faults.delay_s = 0.2
    (tmp_path / "file").write_bytes(os.urandom(300_000))
    with connect(far) as connection:
        assert connection.run(["cat"], b"there", 2.0).stdout == b"there"
        data = (tmp_path / "file").read_bytes()
        assert connection.run(["cat"], iter([data]), 1.5).stdout == data
        connection.put(tmp_path / "file", f"{root}/file")
    assert (root / "file").read_bytes() == data


def test_round_trips(far: Board, line: Proxy) -> None:
    """What a link costs: a login at most 7 round trips, a command on an open link 3, its output in the third."""
    line.faults.delay_s = 0.02  # so that what is sent together arrives together
    with connect(far) as connection:
        login = line.turns
        connection.run(["cat"], b"there", 2.0)
        assert login <= 14
        assert line.turns - login <= 6


@pytest.mark.slow
@pytest.mark.parametrize("work", [run_blocks, put])
def test_slow_line(far: Board, line: Proxy, tmp_path: Path, root: Path, work: Work) -> None:
    """A line so slow that the whole takes many times the patience is not given up: something moves all the time."""
    line.faults.rate = 150_000.0
    small = tmp_path / "small"
    small.write_bytes(os.urandom(1_000_000))
    with connect(far) as connection:
        work(connection, small, str(root))
        assert line.moved > 1_000_000
        assert connection.run(["true"], b"", 10.0).status == 0


@pytest.mark.slow
@pytest.mark.parametrize("work", [*ALL, lambda connection, big, root: connection.run(["sleep", "60"], b"", 60.0)])
@pytest.mark.parametrize("stalled", [True, False])
def test_ctrl_c(
    far: Board, line: Proxy, big: Path, root: Path, work: Work, stalled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends whatever is going on at once, also on a link that is full and does not move."""
    monkeypatch.setattr(files, "SILENCE_S", 600.0)
    line.faults.rate = 2_000_000.0
    with connect(far) as connection:
        if stalled:
            line.faults.stall = line.moved + 400_000
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            work(connection, big, str(root))


def test_ctrl_c_while_logging_in(far: Board, line: Proxy) -> None:
    """The login too, and nothing of it goes on."""
    line.faults.stall = 1500
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt), connect(far):
        pytest.fail("there was a connection")
    while any(isinstance(thread, paramiko.Transport) for thread in threading.enumerate()):
        time.sleep(0.05)
