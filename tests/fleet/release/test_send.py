"""Files into a board's store: only what it lacks, from where it stopped, as the shortest stream there is."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from bramble.errors import UnreachableError
from bramble.fleet.ask import ask
from bramble.fleet.connect import connect
from bramble.fleet.release.coding import Source, shortest, source_of
from bramble.fleet.release.send import Absent, send
from bramble.fleet.types import Board, Connection
from bramble_agent.wire_release import TakeAnswer, TakeAsk
from proxy import proxied
from serving import Server, board_of

from .bad_line import BadLine, cut_after, flip_at
from .conftest import LOCALLY

RANDOM = np.random.default_rng(11)
SMALL, LARGE = RANDOM.bytes(3000), RANDOM.bytes(600_000)
TEXT = b"".join(b"%d\n" % i for i in range(30_000))


def lacking(connection: Connection, board: Board, files: Iterable[Source]) -> Absent:
    """Ask which of these files a board's store lacks."""
    told = ask(connection, board, TakeAsk(connection.root, {one.sha256: one.size for one in files}), TakeAnswer)
    return Absent(told.missing, told.parts)


def moved(data: bytes) -> bytes:
    """Every tenth byte or so is one more."""
    values = np.frombuffer(data, np.uint8).copy()
    values[RANDOM.random(len(values)) < 0.1] += 1
    return values.tobytes()


def blobs(root: Path) -> set[bytes]:
    """The contents of the store; each is under its own name."""
    found = {path.name: path.read_bytes() for path in (root / "blobs").iterdir()}
    assert {source_of(data).sha256 for data in found.values()} == set(found)
    return set(found.values())


def bring(connection: Connection, board: Board, *files: Source, olds: dict[str, Source] | None = None) -> int:
    """Ask, and send what is absent."""
    return send(connection, board, files, lacking(connection, board, files), olds)


def test_only_what_is_absent(connection: Connection, board: Board, root: Path, tmp_path: Path) -> None:
    """Files are sent once, whichever way they are held; progress is told to the last byte."""
    (tmp_path / "large").write_bytes(LARGE)
    files = [source_of(tmp_path / "large"), source_of(SMALL), source_of(b"")]
    absent = lacking(connection, board, files[:2])
    assert (set(absent.missing), dict(absent.parts)) == ({files[0].sha256, files[1].sha256}, {})
    told: list[tuple[int, int]] = []
    assert send(connection, board, files, absent, None, lambda done, of: told.append((done, of))) == 603_000
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert (told[0], told[-1]) == ((3000, 603_000), (603_000, 603_000))
    assert blobs(root) == {SMALL, LARGE}
    assert bring(connection, board, *files) == 0
    assert blobs(root) == {SMALL, LARGE, b""}
    assert lacking(connection, board, files) == Absent((), {})


@LOCALLY
def test_nothing_absent_asks_nothing(connection: Connection, board: Board) -> None:
    """Where nothing is missing, the board is not even asked."""
    line = BadLine(connection)
    assert send(line, board, [source_of(SMALL)], Absent(())) == 0
    assert line.runs == 0


@LOCALLY
def test_same_file_twice(connection: Connection, board: Board, root: Path) -> None:
    """Two files with the same content travel once."""
    assert bring(connection, board, source_of(SMALL), source_of(SMALL)) == 3000


@LOCALLY
def test_packed(connection: Connection, board: Board, root: Path) -> None:
    """Text travels packed and lies there unpacked."""
    assert bring(connection, board, source_of(TEXT)) < 0.5 * len(TEXT)
    assert blobs(root) == {TEXT}


def test_patched(connection: Connection, board: Board, root: Path) -> None:
    """A changed file travels as what changed, if the board has the old one."""
    old, new = source_of(LARGE), source_of(moved(LARGE))
    bring(connection, board, old)
    assert bring(connection, board, new, olds={new.sha256: old}) < 0.3 * len(LARGE)
    assert blobs(root) == {LARGE, new.read()}


@pytest.mark.slow
@pytest.mark.parametrize("cut", [0, 2999, 3000, 300_000, 602_999])
def test_cut_and_gone_on_with(connection: Connection, board: Board, root: Path, cut: int) -> None:
    """An upload that breaks is an error that says what to do; the next sends the rest, to the byte."""
    files = [source_of(LARGE), source_of(SMALL)]
    absent = lacking(connection, board, files)
    with pytest.raises(UnreachableError, match=f"^{board.name}: .*did not come") as caught:
        send(BadLine(connection, cut_after(cut)), board, files, absent)
    assert (caught.value.exit_code, "push again" in caught.value.hint) == (5, True)
    assert bring(connection, board, *files) == 603_000 - cut
    assert blobs(root) == {SMALL, LARGE}


def test_cut_of_a_patch(connection: Connection, board: Board, root: Path) -> None:
    """The stream of a difference goes on where it stopped, too: made again it is the same."""
    old, new = source_of(LARGE), source_of(moved(LARGE))
    bring(connection, board, old)
    olds, absent = {new.sha256: old}, lacking(connection, board, [new])
    size = shortest(new, old).sent.size
    with pytest.raises(UnreachableError):
        send(BadLine(connection, cut_after(size // 2)), board, [new], absent, olds)
    assert bring(connection, board, new, olds=olds) == size - size // 2
    assert new.read() in blobs(root)


@LOCALLY
def test_mostly_there_as_it_is(connection: Connection, board: Board) -> None:
    """A file of which most came as it is goes on so, though a difference would be short."""
    old, new = source_of(LARGE), source_of(moved(LARGE))
    bring(connection, board, old)
    with pytest.raises(UnreachableError):
        send(BadLine(connection, cut_after(590_000)), board, [new], lacking(connection, board, [new]))
    assert bring(connection, board, new, olds={new.sha256: old}) == 10_000


@pytest.mark.slow
@LOCALLY
@pytest.mark.parametrize("where", [0, 2999, 3000, 300_000, 602_999])
def test_damage_on_the_way(connection: Connection, board: Board, root: Path, where: int) -> None:
    """A byte that arrives changed is noticed; the file is not taken, and is sent anew."""
    files = [source_of(LARGE), source_of(SMALL)]
    with pytest.raises(UnreachableError, match="did not arrive as it was sent"):
        send(BadLine(connection, flip_at(where)), board, files, lacking(connection, board, files))
    assert bring(connection, board, *files) == (603_000 if where < 3000 else 600_000)
    assert blobs(root) == {SMALL, LARGE}


@LOCALLY
def test_file_that_changes_meanwhile(connection: Connection, board: Board, root: Path, tmp_path: Path) -> None:
    """A file that was written to after it was looked at does not get into the store."""
    (tmp_path / "f").write_bytes(LARGE)
    source = source_of(tmp_path / "f")
    (tmp_path / "f").write_bytes(LARGE[::-1])
    with pytest.raises(UnreachableError, match="did not arrive as it was sent"):
        bring(connection, board, source)
    (tmp_path / "f").write_bytes(LARGE[:-1])
    with pytest.raises(UnreachableError, match="1 bytes of 600,000 did not come"):
        bring(connection, board, source)
    assert blobs(root) == set()


def wait_for_agents(root: Path) -> None:
    """Until nobody writes into an unfinished upload."""
    for path in (root / "incoming").iterdir():
        with path.open("rb") as part:
            fcntl.flock(part, fcntl.LOCK_SH)


def test_real_cut(server: Server, root: Path) -> None:
    """A link that is cut in the middle of an upload: over the next one only the rest is sent."""
    source = source_of(RANDOM.bytes(8_000_000))
    near = board_of(server, root)
    with proxied(server.port) as line, connect(board_of(server, root, port=line.port)) as connection:
        absent = lacking(connection, near, [source])
        line.faults.cut = line.moved + 7_000_000
        with pytest.raises(UnreachableError):
            send(connection, near, [source], absent)
    wait_for_agents(root)
    with connect(near) as connection:
        assert bring(connection, near, source) < 4_000_000  # OpenSSH drops what it holds of a cut link, 2 MiB at most
    assert blobs(root) == {source.read()}


@pytest.mark.slow
def test_two_at_once(connection: Connection, board: Board, root: Path) -> None:
    """Another host that brings the same file now does not mix with ours: both end well."""
    source = source_of(LARGE)
    absent = lacking(connection, board, [source])
    started = []

    def meanwhile(blocks):  # type: ignore[no-untyped-def]
        for block in blocks:
            yield block
            if not started:
                started.append(True)
                while not list((root / "incoming").glob("*.part")):
                    time.sleep(0.01)
                with connect(board) as another:
                    assert lacking(another, board, [source]).parts == {}
                    assert send(another, board, [source], absent) == 600_000

    assert send(BadLine(connection, meanwhile), board, [source], absent) == 600_000
    assert blobs(root) == {LARGE}
    assert list((root / "incoming").iterdir()) == []
