"""A bundle becomes the board's current release, is sent once, and damage on the way changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bramble.bundle import load_bundle, zip_bundle
from bramble.errors import UnreachableError, UsageError
from bramble.fleet.connect import connect
from bramble.fleet.release.push import How, push, rollback
from bramble.fleet.types import Board, Connection
from bramble.packing.pack import pack
from bramble_agent.bundle import Bundle
from bringing import linked
from making import bundle_digest, make_model

from .bad_line import BadLine, cut_after, flip_at
from .conftest import LOCALLY


def tree(root: Path) -> dict[str, bytes]:
    """Every file below the releases with its content."""
    releases = root / "releases"
    return {str(path.relative_to(releases)): path.read_bytes() for path in releases.rglob("*") if path.is_file()}


def test_first_push(connection: Connection, board: Board, bundle: Bundle, bundle_path: Path, root: Path) -> None:
    """The release is named by the manifest's sha256, is current, holds the bundle's files, and the upload is gone."""
    digest = bundle_digest(bundle_path)
    told: list[tuple[int, int]] = []
    pushed = push(connection, board, bundle, on_sent=lambda done, of: told.append((done, of)))
    assert (pushed.state, pushed.release) == ("current", f"{root}/releases/{digest}")
    assert (pushed.current, pushed.previous, pushed.detail) == (digest, "", "")
    assert pushed.verify.ok
    assert told[-1] == (pushed.sent_bytes, pushed.sent_bytes)
    assert linked(root) == (digest, "")
    assert tree(root) == {f"{digest}/{path.name}": path.read_bytes() for path in bundle_path.iterdir()}
    assert list((root / "incoming").iterdir()) == []


def test_repeated_push_is_one_question(connection: Connection, board: Board, bundle: Bundle) -> None:
    """A bundle that is there is not sent again, over another connection either; one command finds it out."""
    first = push(connection, board, bundle)
    with connect(board) as another:
        line = BadLine(another)
        again = push(line, board, bundle)
    assert line.runs == 1
    assert (again.state, again.release, again.sent_bytes) == ("current", first.release, 0)


def test_push_is_two_questions(connection: Connection, board: Board, bundle: Bundle, other: Bundle) -> None:
    """What is missing comes with the second question: two commands, however many files; the first brings the agent."""
    push(connection, board, bundle)
    line = BadLine(connection)
    assert push(line, board, other).sent_bytes > 0
    assert line.runs == 2


@pytest.mark.slow
def test_board_that_takes_its_time(
    connection: Connection, board: Board, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board that works longer than a host would wait for a dead link says that it lives, and is waited for."""
    monkeypatch.setattr("bramble.fleet.release.send.PATIENCE_S", 7.0)  # the agent breathes every 5 s
    assert push(connection, board, bundle, How(health=("sleep", "9"))).state == "current"


@LOCALLY
def test_second_bundle(connection: Connection, board: Board, bundle: Bundle, other: Bundle, root: Path) -> None:
    """Another bundle becomes current, the first stays as previous; what differs is sent, and nothing to go back."""
    first = push(connection, board, bundle)
    pushed = push(connection, board, other)
    assert (pushed.current, pushed.previous) == linked(root) == (other.digest, bundle.digest)
    assert 0 < pushed.sent_bytes <= sum(len(other.read(name)) for name in ("model.tflite", "golden.npz"))
    back = push(connection, board, bundle)
    assert (back.sent_bytes, back.release) == (0, first.release)
    assert linked(root) == (bundle.digest, other.digest)


@LOCALLY
def test_folder_and_zip_are_one_release(
    connection: Connection, board: Board, bundle: Bundle, bundle_path: Path, root: Path, tmp_path: Path
) -> None:
    """A bundle pushed as a zip is the release that its folder would be, file by file."""
    zip_bundle(bundle_path, tmp_path / "bundle.zip")
    push(connection, board, load_bundle(tmp_path / "bundle.zip"))
    assert tree(root) == {f"{bundle.digest}/{path.name}": path.read_bytes() for path in bundle_path.iterdir()}
    assert push(connection, board, bundle).sent_bytes == 0


def test_a_packed_model_is_sent_packed(
    connection: Connection, board: Board, bundle: Bundle, bundle_path: Path, root: Path
) -> None:
    """A bundle with the packed form of its model sends that; the release holds the plain model, as ever."""
    packed = pack(make_model())
    (bundle_path / "model.packed").write_bytes(packed)
    pushed = push(connection, board, load_bundle(bundle_path))
    assert pushed.state == "current"
    others = [len(bundle.read(name)) for name in ("labels.txt", "golden.npz")]
    assert pushed.sent_bytes <= len(packed) + sum(others) < len(make_model()) + sum(others)
    names = ("golden.npz", "labels.txt", "manifest.json", "model.tflite")
    assert tree(root) == {f"{bundle.digest}/{name}": (bundle_path / name).read_bytes() for name in names}


@LOCALLY
def test_not_switched_to(connection: Connection, board: Board, bundle: Bundle, other: Bundle, root: Path) -> None:
    """A bundle that is only looked at is there and ready, and what is current stays."""
    assert push(connection, board, bundle, How(switch=False)).state == "ready"
    assert linked(root) == ("", "")
    push(connection, board, bundle)
    assert push(connection, board, other, How(switch=False, threads=2)).state == "ready"
    assert linked(root) == (bundle.digest, "")


@pytest.mark.slow
@pytest.mark.parametrize("change", [flip_at(1000), cut_after(1500)])
def test_damage_on_the_way(
    connection: Connection, board: Board, bundle: Bundle, other: Bundle, root: Path, change: Callable[[Any], Any]
) -> None:
    """An upload that arrives damaged is an error; current and the releases stay; the next push mends it."""
    push(connection, board, bundle)
    before = tree(root)
    with pytest.raises(UnreachableError, match=r"did not arrive as it was sent|did not come") as caught:
        push(BadLine(connection, change), board, other)
    assert "push again" in caught.value.hint
    assert tree(root) == before
    assert linked(root) == (bundle.digest, "")
    assert push(connection, board, other).state == "current"
    assert linked(root) == (other.digest, bundle.digest)


@LOCALLY
def test_rotten_release_is_sent_anew(
    connection: Connection, board: Board, bundle: Bundle, bundle_path: Path, root: Path
) -> None:
    """A release that lost a bit on the board's card is not taken for whole: the file that lost it is sent again."""
    push(connection, board, bundle)
    labels = root / "current" / "labels.txt"
    labels.write_bytes(b"left\nright\nm\xc3\xabme\n")
    assert push(connection, board, bundle).sent_bytes == len(bundle.read("labels.txt"))
    assert labels.read_bytes() == (bundle_path / "labels.txt").read_bytes()
    assert push(connection, board, bundle).sent_bytes == 0


@LOCALLY
def test_files_in_the_way(connection: Connection, board: Board, bundle: Bundle, root: Path) -> None:
    """A left-over of an upload that broke, perhaps another host's in progress, is neither used nor touched."""
    left = root / f"incoming/{bundle.digest}.zip.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x" * 1_000_000)
    assert push(connection, board, bundle).state == "current"
    assert list((root / "incoming").iterdir()) == [left]


def test_roots_with_odd_names(board: Board, bundle: Bundle, tmp_path: Path) -> None:
    """Spaces, quotes and letters of any alphabet in the board's folder change nothing."""
    odd = replace(board, root=str(tmp_path / "mein 'Brett' $HOME ü"))
    with connect(odd) as connection:
        pushed = push(connection, odd, bundle)
    assert Path(pushed.release).parent == tmp_path / "mein 'Brett' $HOME ü/releases"
    assert (Path(pushed.release) / "manifest.json").exists()


@pytest.mark.slow
def test_rollback(connection: Connection, board: Board, bundle: Bundle, other: Bundle, root: Path) -> None:
    """The release before becomes current after it gave its answers; twice is back; without one it says so."""
    for _ in range(2):
        with pytest.raises(UsageError, match=f"^{board.name}: there is no earlier release") as caught:
            rollback(connection, board)
        assert (caught.value.exit_code, "push" in caught.value.hint) == (2, True)
        push(connection, board, bundle)
    push(connection, board, other)
    answer = rollback(connection, board, threads=2)
    assert (answer.current, answer.previous) == linked(root) == (bundle.digest, other.digest)
    assert answer.verify.ok
    assert rollback(connection, board).current == linked(root)[0] == other.digest
    (root / "previous" / "labels.txt").unlink()
    with pytest.raises(UsageError, match="is damaged"):
        rollback(connection, board)


@LOCALLY
def test_two_hosts_at_once(board: Board, bundle: Bundle, other: Bundle, root: Path) -> None:
    """Pushes of the same and of another bundle that race all succeed, and leave two whole releases."""
    failures = []

    def work(one: Bundle) -> None:
        try:
            with connect(board) as connection:
                assert push(connection, board, one).state == "current"
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(one,)) for one in (bundle, other, bundle)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(linked(root)) == {bundle.digest, other.digest}
    for name in ("current", "previous"):
        assert load_bundle(root / name).digest == linked(root)[name == "previous"]
