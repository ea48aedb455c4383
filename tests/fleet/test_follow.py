"""Commands that are heard while they run, on this machine and over SSH."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from bramble.errors import UnreachableError
from bramble.fleet.connect import connect
from bramble.fleet.follow import Follow, Hearing
from bramble.fleet.types import Connection
from serving import Server, board_of

TELLING = 'read first; echo "got $first"; read last; echo "then $last"; echo odd >&2; exit 7'


def test_lines_as_they_come(connection: Connection) -> None:
    """The first line is here while the command waits for our last word; then comes what it says at its end."""
    lines: list[bytes] = []
    how = Follow(b"one\n", lines.append, lambda: lines == [b"got one"], b"stop\n")
    done = connection.follow(["sh", "-c", TELLING], how)
    assert lines == [b"got one", b"then stop"]
    assert (done.status, done.stdout, done.stderr) == (7, b"", b"odd\n")


def test_end_of_input_is_an_end(connection: Connection) -> None:
    """Without a last word its input ends; a line without an end counts."""
    lines: list[bytes] = []
    done = connection.follow(["sh", "-c", "echo here; cat; printf bye"], Follow(b"", lines.append, lambda: bool(lines)))
    assert (done.status, lines) == (0, [b"here", b"bye"])


def test_much(connection: Connection) -> None:
    """Megabytes on both outputs are all heard, and only the end of stderr is kept."""
    lines: list[bytes] = []
    script = "i=0; while [ $i -lt 20 ]; do head -c 200000 /dev/zero >&2; seq 20000; i=$((i+1)); done; echo last >&2"
    done = connection.follow(["sh", "-c", script], Follow(b"", lines.append, lambda: False))
    assert lines == [b"%d" % n for n in range(1, 20_001)] * 20
    assert done.status == 0
    assert done.stderr.endswith(b"last\n")
    assert len(done.stderr) < 100_000


def test_one_that_does_not_end(connection: Connection) -> None:
    """It was told, and had its time."""
    how = Follow(b"", lambda line: None, lambda: True, b"stop\n", patience_s=0.3)
    with pytest.raises(UnreachableError, match=r"did not end within 0\.3 s"):
        connection.follow(["sleep", "30"], how)


def test_no_such_command(connection: Connection) -> None:
    """As ``run`` says it."""
    assert connection.follow(["no-such-command"], Follow(b"", lambda line: None, lambda: False)).status == 127


def test_an_error_of_ours_ends_it(connection: Connection, tmp_path: Path) -> None:
    """Whoever hears a line may fail; the command's input ends, and it does not go on for ever."""

    def fail(line: bytes) -> None:
        raise KeyboardInterrupt

    script = f"echo here; cat; touch '{tmp_path}/ended'; sleep 30"
    with pytest.raises(KeyboardInterrupt):
        connection.follow(["sh", "-c", script], Follow(b"", fail, lambda: False))
    begin = time.monotonic()
    connection.run(["true"], b"", 20.0)  # the link is still good
    assert time.monotonic() - begin < 15


def test_a_link_that_breaks(own_server: Server, tmp_path: Path) -> None:
    """The server is gone in the middle: told as of any command."""
    board = board_of(own_server, tmp_path / "far")
    lines: list[bytes] = []

    def cut() -> None:
        connection.close()

    with connect(board) as connection:
        threading.Timer(0.5, cut).start()
        with pytest.raises(UnreachableError, match="connection broke"):
            connection.follow(["sh", "-c", "echo here; sleep 30"], Follow(b"", lines.append, lambda: False))
    assert lines == [b"here"]


def test_a_line_without_end_is_cut() -> None:
    """It is handed on in pieces rather than kept for ever."""
    lines: list[bytes] = []
    hearing = Hearing(Follow(b"", lines.append, lambda: False))
    for _ in range(17):
        hearing.heard(b"x" * (1 << 20))
    hearing.heard(b"y\nz")
    assert [len(line) for line in lines] == [17 << 20, 1]
