"""A real narrow line: 256 kbit/s by the kernel's own traffic control, between network namespaces. Only root can."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bramble.fleet.connect import connect
from bramble.fleet.ssh import files
from bramble.fleet.types import Board
from serving import SSHD, Server, board_of

SPACE, OURS, THEIRS = "bramble-narrow", "brambleA", "brambleB"
NARROW = "tbf rate 256kbit burst 3kb latency 1s"
STEPS = f"""
ip netns add {SPACE}
ip link add {OURS} type veth peer name {THEIRS} netns {SPACE}
ip address add 198.18.255.1/30 dev {OURS}
ip link set {OURS} up
ip -n {SPACE} address add 198.18.255.2/30 dev {THEIRS}
ip -n {SPACE} link set {THEIRS} up
ip -n {SPACE} link set lo up
tc qdisc add dev {OURS} root {NARROW}
tc -n {SPACE} qdisc add dev {THEIRS} root {NARROW}
"""
SIZE = 64 << 10


@pytest.fixture
def narrow(tmp_path: Path, root: Path) -> Iterator[Board]:
    """A board at the other end of the line."""
    if os.geteuid() != 0 or not shutil.which("tc") or not SSHD.exists():
        pytest.skip("only root can make a narrow line, with iproute2 and openssh-server")
    server = Server(tmp_path / "sshd")
    server.address, server.within = "198.18.255.2", ("ip", "netns", "exec", SPACE)
    try:
        for step in STEPS.split("\n")[1:-1]:
            done = subprocess.run(step.split(), capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"this machine lends no network namespaces: {done.stderr.strip()}")
        server.start()
        yield board_of(server, root, host=server.address)
    finally:
        server.stop()
        subprocess.run(["ip", "netns", "delete", SPACE], capture_output=True, check=False)
        subprocess.run(["ip", "link", "delete", OURS], capture_output=True, check=False)


@pytest.mark.slow
def test_narrow_line(narrow: Board, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands, blocks and files arrive whole, though they take a multiple of the patience of five seconds."""
    monkeypatch.setattr(files, "SILENCE_S", 5.0)
    data = os.urandom(SIZE)
    (tmp_path / "file").write_bytes(data)
    with connect(narrow) as connection:
        assert connection.run(["cat"], b"there", 10).stdout == b"there"
        assert connection.run(["sh", "-c", "cat | wc -c"], iter([data] * 8), 5.0).stdout == b"%d\n" % (8 * SIZE)
        for _ in range(4):
            connection.put(tmp_path / "file", f"{root}/file")
        assert connection.run(["cat", f"{root}/file"], b"", 30).stdout == data
    assert (root / "file").read_bytes() == data
