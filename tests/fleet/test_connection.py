"""Commands on every way to a board: the same test runs on this machine and over SSH."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bramble.errors import UnreachableError
from bramble.fleet.connect import connect
from bramble.fleet.types import Board, Connection

BIG = 8 << 20
SHOW = "import json,sys;print(json.dumps(sys.argv[1:]))"
NASTY = [
    "",
    " ",
    "a b",
    "'",
    '"',
    "''\"'\"",
    "\\",
    "\n",
    "a\nb\n",
    "$(touch /tmp/bramble-was-here)",
    "`id`",
    "$HOME",
    "~",
    "*",
    "-n",
    "--",
    "a;b",
    "a&&b|c>d<e",
    "#",
    "!!",
    "ünï ∀ 🫐",
    "\t\r",
    "x" * 20_000,
]


def python(code: str, *words: str) -> list[str]:
    """A command that runs ``code`` in this Python."""
    return [sys.executable, "-c", code, *words]


def test_status_and_streams(connection: Connection) -> None:
    """Exit status, stdout and stderr come back apart."""
    done = connection.run(python("import sys;print('out');print('err',file=sys.stderr);sys.exit(7)"), b"", 30)
    assert (done.status, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


def test_nothing_said(connection: Connection) -> None:
    """A command that says nothing has empty streams and status 0."""
    done = connection.run(["true"], b"", 30)
    assert (done.status, done.stdout, done.stderr) == (0, b"", b"")


def test_signal(connection: Connection) -> None:
    """A command that a signal ended has a negative status, and what it said before is kept."""
    code = "import os,signal;os.write(1,b'so far');os.kill(os.getpid(),signal.SIGKILL)"
    done = connection.run(python(code), b"", 30)
    assert done.status < 0
    assert done.stdout == b"so far"


def test_missing_command(connection: Connection) -> None:
    """A command that is not there has a shell's status, 127."""
    assert connection.run(["/no/such/python3"], b'{"ask": 1}', 30).status == 127


def test_command_that_is_no_program(connection: Connection, tmp_path: Path) -> None:
    """A file that is not executable has a shell's status, 126."""
    (tmp_path / "text").write_text("no program")
    assert connection.run([str(tmp_path / "text")], b"", 30).status == 126


def test_both_streams_at_once(connection: Connection) -> None:
    """Eight MiB on stdout and on stderr, piece by piece in turn, arrive whole: nothing waits for the other stream."""
    code = (
        f"import os\nfor i in range({BIG >> 16}):\n"
        " for fd, byte in ((1, b'o'), (2, b'e')):\n"
        "  rest = byte * 65536\n  while rest: rest = rest[os.write(fd, rest):]"
    )
    done = connection.run(python(code), b"", 60)
    assert done.status == 0
    assert done.stdout == b"o" * BIG
    assert done.stderr == b"e" * BIG


def test_one_stream_after_the_other(connection: Connection) -> None:
    """All of stderr first, then all of stdout: no order of writing blocks."""
    code = f"import sys;sys.stderr.write('e'*{BIG});sys.stderr.flush();sys.stdout.write('o'*{BIG})"
    done = connection.run(python(code), b"", 60)
    assert (done.status, len(done.stdout), len(done.stderr)) == (0, BIG, BIG)


def test_stdin_comes_back(connection: Connection) -> None:
    """Eight MiB of bytes through ``cat`` come back as they were: input and output move together."""
    data = os.urandom(1 << 20) * 8
    done = connection.run(["cat"], data, 60)
    assert done.status == 0
    assert done.stdout == data


def test_stdin_that_nobody_reads(connection: Connection) -> None:
    """A command that ends without reading its input is no broken connection."""
    for _ in range(5):
        assert connection.run(["true"], b"x" * (4 << 20), 60).status == 0


def test_stdin_ends(connection: Connection) -> None:
    """A command that reads to the end of its input sees an end, also of an empty one."""
    code = "import sys;print(len(sys.stdin.buffer.read()))"
    assert connection.run(python(code), b"", 30).stdout == b"0\n"
    assert connection.run(python(code), b"abc", 30).stdout == b"3\n"


def test_arguments_arrive_as_they_are(connection: Connection) -> None:
    """Nothing in an argument means anything to a shell on the way."""
    import json

    done = connection.run(python(SHOW, *NASTY), b"", 30)
    assert json.loads(done.stdout) == NASTY
    assert not Path("/tmp/bramble-was-here").exists()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=5))
def test_any_arguments(connection: Connection, words: list[str]) -> None:
    """Whatever the arguments, each arrives followed by the byte that separates them."""
    done = connection.run(["printf", "%s\\0", "", *words], b"", 30)
    assert done.stdout == b"\0" + b"".join(word.encode() + b"\0" for word in words)


def test_no_answer_in_time(connection: Connection) -> None:
    """A command that takes too long is given up, and the next one is answered."""
    with pytest.raises(UnreachableError, match="no answer") as caught:
        connection.run(["sleep", "60"], b"", 0.5)
    assert caught.value.exit_code == 5
    assert connection.run(["echo", "there"], b"", 30).stdout == b"there\n"


def test_endless_output(connection: Connection) -> None:
    """A command that never stops talking is given up too."""
    with pytest.raises(UnreachableError, match="no answer"):
        connection.run(["yes"], b"", 0.2)


def test_closed_when_the_work_fails(board: Board) -> None:
    """``connect`` closes the connection also where the work inside fails, and closing it twice is no fault."""
    held: list[Connection] = []
    with suppress(ZeroDivisionError), connect(board) as connection:
        held.append(connection)
        raise ZeroDivisionError
    held[0].close()
    if board.host:
        with pytest.raises(UnreachableError):
            held[0].run(["true"], b"", 10)


def test_absolute_root(board: Board, root: Path) -> None:
    """A root that is absolute is taken as it is.

    One below ``~`` is absolute on this machine only: over SSH it is a path from where the session starts, which is the
    home, so that no round trip is spent on asking where that is (tests in test_ssh and test_local).
    """
    with connect(replace(board, root=str(root))) as connection:
        assert connection.root == str(root)
