"""What is particular to a board over SSH: the link, and how it breaks."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bramble.errors import StorageError, UnreachableError
from bramble.fleet.connect import connect
from bramble.fleet.ssh import files
from bramble.fleet.ssh.connection import SshConnection
from bramble.fleet.types import Board
from looking import until
from serving import Server, board_of

SESSION = """
import os
pid = os.getpid()
while True:
    name, rest = open(f"/proc/{pid}/stat").read().rsplit(")", 1)
    if name.split("(", 1)[1].startswith("sshd"):
        break
    pid = int(rest.split()[1])
print(pid, flush=True)
"""


@pytest.fixture
def link(ssh_board: Board) -> Iterator[SshConnection]:
    """A connection over SSH."""
    with connect(ssh_board) as opened:
        assert isinstance(opened, SshConnection)
        yield opened


def session_of(link: SshConnection) -> int:
    """The number of the server's process that serves this connection."""
    return int(link.run([sys.executable, "-c", SESSION], b"", 30).stdout)


def test_socket_and_cipher(link: SshConnection) -> None:
    """Small packets leave at once, a dead link is noticed in a minute, and the cipher is AES-GCM both ways."""
    transport = link._link.transport
    sock = transport.sock
    assert isinstance(sock, socket.socket)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
    assert transport.local_cipher == "aes128-gcm@openssh.com"
    assert vars(transport)["remote_cipher"] == "aes128-gcm@openssh.com"


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("~", "."),
        ("~/", "."),
        ("~/.bramble", ".bramble"),
        ("bramble", "bramble"),
        ("/mnt/x/", "/mnt/x"),
        ("/", "/"),
        ("/tmp/~", "/tmp/~"),
    ],
)
def test_root(server: Server, root: str, expected: str) -> None:
    """``~`` and a relative root are paths from where a session starts: to know them asks nothing of the board."""
    with connect(board_of(server, root)) as connection:
        assert connection.root == expected


def test_root_below_home(server: Server, tmp_path: Path) -> None:
    """Commands and files mean the same place by a root below ``~``: the home on the board."""
    (tmp_path / "source").write_bytes(b"content")
    with connect(board_of(server, f"~/{tmp_path.name}")) as connection:
        connection.put(tmp_path / "source", f"{connection.root}/a b/part")
        connection.rename(f"{connection.root}/a b/part", f"{connection.root}/a b/whole")
        assert connection.run(["cat", f"{connection.root}/a b/whole"], b"", 30).stdout == b"content"
    assert (server.home / tmp_path.name / "a b/whole").read_bytes() == b"content"


def test_command_is_the_servers_own_child(link: SshConnection) -> None:
    """No shell stays between: the command's parent is the server's process, whose end it can see."""
    code = "import os;print(open(f'/proc/{os.getppid()}/comm').read())"
    assert link.run([sys.executable, "-c", code], b"", 30).stdout.startswith(b"sshd")


def test_only_commands_open_no_sftp(own_server: Server, root: Path) -> None:
    """A connection that only runs commands works where SFTP is missing: it is opened for the first file."""
    own_server.stop()
    own_server.start(extra="")
    with connect(board_of(own_server, root)) as connection:
        assert connection.run(["echo", "there"], b"", 30).stdout == b"there\n"


def test_session_that_is_killed(link: SshConnection) -> None:
    """A server process that dies while a command runs is a broken connection, not an answer."""
    code = f"{SESSION}\nimport signal, time\nos.kill(pid, signal.SIGKILL)\ntime.sleep(60)"
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="pi: the connection broke") as caught:
        link.run([sys.executable, "-c", code], b"", 60)
    assert caught.value.exit_code == 5
    assert time.monotonic() - started < 30


def test_end_of_input_after_the_end_of_the_command(link: SshConnection) -> None:
    """A thread that is late with the end of a command's input: the server would hang up, were it told of it now."""
    transport = link._link.transport
    channel = transport.open_session()
    channel.exec_command("sleep 0.3")
    with channel.lock:
        late = channel._send_eof()  # type: ignore[attr-defined]  # what shutdown_write does, up to the sending
    until(lambda: channel.closed)
    transport._send_user_message(late)
    assert [link.run(["echo", "hello"], b"", 20).stdout for _ in range(3)] == [b"hello\n"] * 3


def test_everything_fails_cleanly_on_a_dead_link(link: SshConnection, tmp_path: Path) -> None:
    """After the link broke, each call says so with the same kind of error."""
    os.kill(session_of(link), signal.SIGKILL)
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    with pytest.raises(UnreachableError):
        link.run(["true"], b"", 10)
    with pytest.raises(UnreachableError):
        link.put(tmp_path / "file", f"{tmp_path}/copy")
    with pytest.raises(UnreachableError):
        link.rename(f"{tmp_path}/file", f"{tmp_path}/copy")


@pytest.mark.slow
def test_server_that_falls_silent(ssh_board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is there but answers nothing more (a board that swaps) is given up, by commands and by files."""
    monkeypatch.setattr(files, "SILENCE_S", 1.0)
    with connect(ssh_board) as link:
        assert isinstance(link, SshConnection)
        session = session_of(link)
        link.put(Path("/etc/hostname"), f"{link.root}/a")
        os.kill(session, signal.SIGSTOP)
        try:
            with pytest.raises(UnreachableError, match="the connection broke"):
                link.put(Path("/etc/hostname"), f"{link.root}/b")
            started = time.monotonic()
            with pytest.raises(UnreachableError, match="no answer in 1 s"):
                link.run(["true"], b"", 1.0)
            assert time.monotonic() - started < 15
        finally:
            os.kill(session, signal.SIGCONT)


def test_upload_that_breaks(link: SshConnection, tmp_path: Path) -> None:
    """A link that dies in the middle of an upload is a broken connection, not a full disk."""
    source, target, session = tmp_path / "source", tmp_path / "target", session_of(link)
    with source.open("wb") as file:
        file.truncate(1 << 30)

    def kill_half_way() -> None:
        while not target.exists() or target.stat().st_size < 1 << 20:
            time.sleep(0.001)
        os.kill(session, signal.SIGKILL)

    killer = threading.Thread(target=kill_half_way, daemon=True)
    killer.start()
    with pytest.raises(UnreachableError, match="the connection broke"):
        link.put(source, str(target))
    killer.join(30)
    assert target.stat().st_size < 1 << 30


def test_server_without_sftp(own_server: Server, root: Path) -> None:
    """A server that has no SFTP is named as such, with the package that brings it."""
    own_server.stop()
    own_server.start(extra="")
    with connect(board_of(own_server, root)) as connection:
        with pytest.raises(UnreachableError, match="offers no SFTP") as caught:
            connection.put(Path("/etc/hostname"), f"{root}/hostname")
        assert connection.run(["true"], b"", 30).status == 0
    assert "openssh-server" in caught.value.hint


def test_folder_without_permission(server: Server, tmp_path: Path) -> None:
    """A root that the user of the board may not enter is a storage error."""
    if os.geteuid() == 0:
        target = "/proc/1/task/nowhere/x"  # root may enter everything, but this cannot be made
    else:
        (tmp_path / "closed").mkdir(mode=0)
        target = f"{tmp_path}/closed/x/y"
    (tmp_path / "file").write_bytes(b"x")
    with connect(board_of(server, tmp_path)) as connection, pytest.raises(StorageError):
        connection.put(tmp_path / "file", target)


def test_two_pushes_make_the_same_folder(server: Server, root: Path, tmp_path: Path) -> None:
    """A folder that another connection makes in the same moment is no failure."""
    (tmp_path / "file").write_bytes(b"x")
    board = board_of(server, root)
    with connect(board) as one, connect(replace(board, name="other")) as two:
        assert isinstance(one, SshConnection)
        exists = one._files._exists

        def late(path: str) -> bool:
            found = exists(path)
            if path == str(root) and not found:
                two.put(tmp_path / "file", f"{root}/theirs")
            return found

        one._files._exists = late  # type: ignore[method-assign]
        one.put(tmp_path / "file", f"{root}/ours")
    assert sorted(path.name for path in root.iterdir()) == ["ours", "theirs"]
