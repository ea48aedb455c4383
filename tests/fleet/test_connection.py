"""What every way to a board must do alike: the same test runs on this machine and over SSH."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bramble.errors import StorageError, UnreachableError
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


def test_put_is_identical(connection: Connection, tmp_path: Path) -> None:
    """Thirty megabytes arrive with the same sha256, in a folder that was not there."""
    source = tmp_path / "source"
    source.write_bytes(os.urandom(30_000_003))
    target = f"{connection.root}/deep er/dö/big"
    connection.put(source, target)
    told = subprocess.run(["sha256sum", target], check=True, capture_output=True, text=True).stdout
    assert told.split()[0].lstrip("\\") == hashlib.sha256(source.read_bytes()).hexdigest()


def test_put_replaces(connection: Connection, tmp_path: Path) -> None:
    """A shorter file over a longer one leaves nothing of the longer one."""
    target = f"{connection.root}/file"
    for content in (b"x" * 100_000, b"short", b""):
        (tmp_path / "source").write_bytes(content)
        connection.put(tmp_path / "source", target)
        assert Path(target).read_bytes() == content


def test_rename_replaces(connection: Connection, root: Path) -> None:
    """What was there is replaced in one step: who had it open still reads the old file."""
    root.mkdir(parents=True)
    (root / "new").write_text("new")
    (root / "old").write_text("old")
    with (root / "old").open() as held:
        connection.rename(f"{root}/new", f"{root}/old")
        assert held.read() == "old"
    assert (root / "old").read_text() == "new"
    assert not (root / "new").exists()


NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..")
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(folder=NAMES, name=NAMES, content=st.binary(max_size=100))
@example(folder="a b", name="$(touch bramble-was-here)", content=b"1")
@example(folder="-rf", name="--", content=b"2")
@example(folder="'\"`\\", name="*", content=b"3")
@example(folder="\n", name="~", content=b"4")
def test_any_path(connection: Connection, root: Path, folder: str, name: str, content: bytes) -> None:
    """Whatever a path is called, a file is put there, renamed, read and nothing else happens."""
    source = root.parent / "source"
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(content)
    path = f"{root}/{folder}/{name}"
    connection.put(source, f"{path}.part")
    connection.rename(f"{path}.part", path)
    assert [found.name for found in (root / folder).iterdir()] == [name]
    assert connection.run(["cat", path], b"", 30).stdout == content
    shutil.rmtree(root)


def test_rename_of_nothing(connection: Connection, root: Path) -> None:
    """A rename that fails is a storage error with the file's name."""
    with pytest.raises(StorageError, match="/to"):
        connection.rename(f"{root}/from", f"{root}/to")


@pytest.mark.parametrize("target", ["/proc/nowhere/file", "/dev/null/file", "/proc/version"])
def test_put_where_nothing_can_be_written(connection: Connection, tmp_path: Path, target: str) -> None:
    """A place that takes no file, not even from root, is a storage error with its name, and the way stays open."""
    (tmp_path / "source").write_bytes(b"x")
    with pytest.raises(StorageError, match=f"cannot .*{target.split('/')[1]}"):
        connection.put(tmp_path / "source", target)
    assert connection.run(["true"], b"", 30).status == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("size", [1_500_000, 20_000_000])
def test_full_disk(connection: Connection, tmp_path: Path, small_disk: Path, size: int) -> None:
    """A file that does not fit is a storage error, what arrived of it is removed, and the way stays open."""
    source = tmp_path / "source"
    source.write_bytes(bytes(size))
    with pytest.raises(StorageError, match="cannot write") as caught:
        connection.put(source, f"{small_disk}/model.part")
    assert "free some space" in caught.value.hint
    assert list(small_disk.iterdir()) == []
    source.write_bytes(b"small")
    connection.put(source, f"{small_disk}/model.part")
    assert (small_disk / "model.part").read_bytes() == b"small"


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


# ---- input that comes in blocks --------------------------------------------------------------------------------


def test_blocks_arrive_in_order(connection: Connection) -> None:
    """Blocks of any size, empty ones too, arrive as one stream."""
    blocks = [os.urandom(size) for size in (1, 0, 100_000, 3, 5 << 20, 0, 32_704, 32_768, 65_537)]
    done = connection.run(["cat"], iter(blocks), 60)
    assert done.status == 0
    assert done.stdout == b"".join(blocks)


def test_no_blocks(connection: Connection) -> None:
    """Nothing at all is an empty input."""
    assert connection.run(["wc", "-c"], iter(()), 30).stdout.strip() == b"0"


def test_blocks_wait_for_the_command(connection: Connection) -> None:
    """Of a gigabyte only what fits on the way is pulled while the command does not read; then all of it is."""
    pulled = 0

    def blocks() -> Iterator[bytes]:
        nonlocal pulled
        for _ in range(1000):
            pulled += 1
            yield bytes(1 << 20)

    with pytest.raises(UnreachableError, match="no answer"):
        connection.run(["sleep", "60"], blocks(), 1.0)
    assert pulled <= 8


def test_refused_blocks(connection: Connection) -> None:
    """A command that ends before the input does gives its answer, and the rest is not pulled."""
    pulled = 0

    def blocks() -> Iterator[bytes]:
        nonlocal pulled
        while True:
            pulled += 1
            yield bytes(1 << 20)

    code = "import sys;sys.stdin.buffer.read(1000);print('no space');sys.exit(3)"
    done = connection.run(python(code), blocks(), 60)
    assert (done.status, done.stdout) == (3, b"no space\n")
    assert pulled <= 64


def test_blocks_that_cannot_be_made(connection: Connection) -> None:
    """What the maker of the blocks raises is told as it is, and the way stays open."""

    def blocks() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise FileNotFoundError("the model is gone")

    with pytest.raises(FileNotFoundError, match="the model is gone"):
        connection.run(["cat"], blocks(), 60)
    assert connection.run(["echo", "there"], b"", 30).stdout == b"there\n"


def test_slow_blocks_and_slow_reader(connection: Connection) -> None:
    """The time counts from the last byte that moved: neither a slow maker of blocks nor a slow reader is given up."""

    def blocks() -> Iterator[bytes]:
        for _ in range(4):
            time.sleep(0.4)
            yield bytes(1 << 20)

    code = "import sys,time\nwhile sys.stdin.buffer.read(1 << 20): time.sleep(0.2)\nprint('read')"
    assert connection.run(python(code), blocks(), 0.7).stdout == b"read\n"
