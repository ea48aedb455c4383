"""A virtual board itself: fresh, closed off, broken on purpose, and gone without a trace."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bramble.errors import StorageError, UnreachableError
from bramble.fleet.connect import connect
from bramble.fleet.types import Board

from .conftest import StartBoard
from .kinds import ARM64
from .machine import Machine, Options
from .rootfs import HERE

pytestmark = pytest.mark.slow

MIB = 1 << 20


def say(board: Board, command: str) -> str:
    """What a shell command of the user ``pi`` says, or how it fails."""
    with connect(board) as connection:
        done = connection.run(["sh", "-c", command], b"", 60.0)
    return (done.stdout + done.stderr).decode().strip()


def mounting(folder: Path) -> set[int]:
    """The processes of this machine, in whatever namespace, that see a mount made of something in ``folder``."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if str(folder) in (process / "mountinfo").read_text():
                found.add(int(process.name))
    return found


def soon(holds: Callable[[], bool]) -> bool:
    """Whether something holds within ten seconds."""
    for _ in range(500):
        if holds():
            return True
        time.sleep(0.02)
    return False


def vanished(pid: int) -> bool:
    """Whether there is no such process."""
    return not Path(f"/proc/{pid}").exists()


def refused(port: int) -> bool:
    """Whether nobody listens on a port."""
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) != 0


def test_nothing_is_left(start_board: StartBoard) -> None:
    """A board in use leaves no mount, process, port or file behind when it is stopped; before, it had them."""
    machine = start_board(ARM64)
    with connect(machine.board) as connection:
        connection.run(["sh", "-c", "(sleep 600 & sleep 600 &) >/dev/null 2>&1 </dev/null"], b"", 60.0)
        running = machine.processes()
        assert sum("sleep 600" in command for command in running.values()) == 2
        first = machine.pid
        seen = mounting(machine.folder)
        assert {first, *running} <= seen
        assert os.getpid() not in seen
        machine.stop()
    assert all(vanished(pid) for pid in (first, *running))
    assert refused(machine.port)
    assert not mounting(machine.folder)
    assert [path for path in (machine.folder / "mounts").rglob("*") if not path.is_dir()] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_who_started_it(number: int, arm64_machine: Machine, tmp_path: Path) -> None:
    """Ctrl-C, an end asked for and a sudden end of whoever started a board end it too."""
    command = [sys.executable, "-m", "virtual_board", "start", arm64_machine.kind.name]
    path = os.pathsep.join(sys.path)
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": path}
    with subprocess.Popen(command, cwd=HERE, env=env, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        told = starter.stdout.readline().split()
        port, pid = int(told[2]), int(told[-1])
        assert not vanished(pid)
        assert not refused(port)
        starter.send_signal(number)
    assert soon(lambda: vanished(pid) and refused(port))
    assert number == signal.SIGKILL or not list(tmp_path.glob("bramble-board-*"))


def test_failed_start(start_board: StartBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board that cannot start says why, and leaves nothing."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(RuntimeError, match="No space left on device"):
        start_board(ARM64, Options(disk_bytes=4096))
    assert not mounting(tmp_path)
    assert not list(tmp_path.glob("bramble-board-*"))


def test_wipe(arm64_machine: Machine) -> None:
    """A wiped board has lost what was written and what was broken, and is the same board to its users."""
    board = arm64_machine.board
    assert say(board, "echo here >kept && cat kept") == "here"
    arm64_machine.as_root("rm /usr/bin/python3*")
    assert "not found" in say(board, "python3 --version")
    arm64_machine.wipe()
    assert arm64_machine.board == board
    assert "No such file" in say(board, "cat kept")
    assert say(board, "python3 --version").startswith("Python 3.11.")


def test_power_cut(arm64_machine: Machine) -> None:
    """All processes can be killed at once: the connection breaks, the disk stays, and one can log in again."""
    with connect(arm64_machine.board) as connection:
        connection.run(["sh", "-c", "echo here >kept"], b"", 60.0)
        arm64_machine.as_root("kill -9 -1", check=False)
        with pytest.raises(UnreachableError):
            connection.run(["true"], b"", 60.0)
    assert say(arm64_machine.board, "cat kept") == "here"


def test_two_boards(start_board: StartBoard) -> None:
    """Two boards of a kind have keys, ports and disks of their own."""
    one, two = start_board(ARM64), start_board(ARM64)
    assert one.board.host_key != two.board.host_key
    say(one.board, "touch /tmp/mine")
    assert (say(one.board, "ls /tmp"), say(two.board, "ls /tmp")) == ("mine", "")


def test_small_disk(start_board: StartBoard, tmp_path: Path) -> None:
    """A board of 32 MiB takes 16 MiB, refuses 32 MiB as a full disk does, and is full for root too."""
    machine = start_board(ARM64, Options(disk_bytes=32 * MIB))
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(bytes(16 * MIB))
    large.write_bytes(bytes(32 * MIB))
    with connect(machine.board) as connection:
        connection.put(small, "/home/pi/small")
        with pytest.raises(StorageError):
            connection.put(large, "/home/pi/large")
        assert connection.run(["wc", "-c", "/home/pi/small"], b"", 60.0).stdout.split()[0] == b"%d" % (16 * MIB)
    full = machine.as_root("cat /dev/zero >/filler", check=False)
    assert "No space left on device" in full.stderr


def test_no_network(arm64_machine: Machine) -> None:
    """A board reaches neither the internet nor what listens on this machine's loopback; its own loopback works."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        tries = ("1.1.1.1", 80), ("127.0.0.1", port)
        said = [say(arm64_machine.board, f"bash -c 'echo >/dev/tcp/{host}/{number}'") for host, number in tries]
    assert "Network is unreachable" in said[0]
    assert "Connection refused" in said[1]


def test_user(arm64_machine: Machine) -> None:
    """The user is a Pi's: uid 1000, sudo without a password; programs run on the CPU that was chosen, root's too."""
    board = arm64_machine.board
    assert say(board, "id -un; id -u; pwd; sudo -n id -u").split() == ["pi", "1000", "/home/pi", "0"]
    assert say(board, "echo $QEMU_CPU; sudo -n printenv QEMU_CPU").split() == ["cortex-a72"] * 2
    assert arm64_machine.as_root("id -u; hostname; echo $QEMU_CPU").stdout.split() == ["0", "raspberrypi", "cortex-a72"]


def test_as_root_tells_of_failures(arm64_machine: Machine) -> None:
    """A command that fails is an AssertionError with what it said, or an exit status where that was asked for."""
    with pytest.raises(AssertionError, match=r"ls /nowhere: exit status 2: .*cannot access '/nowhere'"):
        arm64_machine.as_root("ls /nowhere")
    assert arm64_machine.as_root("exit 7", check=False).returncode == 7


def test_kernel_files(arm64_machine: Machine) -> None:
    """A shell finds a Pi's files where a Pi has them, and its own processes."""
    board = arm64_machine.board
    said = say(board, "test -r /proc/device-tree/model && tr -d '\\0' </proc/device-tree/model")
    assert said == "Raspberry Pi 4 Model B Rev 1.5"
    assert say(board, "grep -c ^processor /proc/cpuinfo; vcgencmd measure_temp") == "4\ntemp=47.7'C"
    assert "libstdc++.so.6" in say(board, "/sbin/ldconfig -p")
    assert "sleep 601" in say(board, "sleep 601 >/dev/null 2>&1 & pgrep -a sleep")
    assert say(board, "readlink /proc/self/cwd; cat /proc/$$/comm") == "/home/pi\nsh"
