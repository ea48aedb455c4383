"""A bundle becomes the board's current release, is sent once, and damage on the way changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bramble.bundle import load_bundle, zip_bundle
from bramble.errors import IncompatibleError, NotTrustedError, UnreachableError, UsageError
from bramble.fleet.connect import connect
from bramble.fleet.release import kept
from bramble.fleet.release.push import How, push, rollback
from bramble.fleet.release.signing import allow_signers, sign
from bramble.fleet.types import Board, Connection
from bramble.packing.pack import pack
from bramble_agent.bundle import Bundle
from making import bundle_digest, make_bundle, make_golden, make_model
from serving import make_key

from .bad_line import BadLine, cut_after, flip_at

LOCALLY = pytest.mark.parametrize("board", ["local"], indirect=True)  # where the way there makes no difference


@pytest.fixture
def other(bundle_path: Path) -> Bundle:
    """Another bundle; only the file of its classes' names is the same."""
    return load_bundle(make_bundle(bundle_path.with_name("other"), kind="float32"))


def tree(root: Path) -> dict[str, bytes]:
    """Every file below the releases with its content."""
    releases = root / "releases"
    return {str(path.relative_to(releases)): path.read_bytes() for path in releases.rglob("*") if path.is_file()}


def linked(root: Path) -> tuple[str, str]:
    """The digests that current and previous lead to."""
    pair = [root / name for name in ("current", "previous")]
    first, second = (link.resolve(strict=True).name if link.is_symlink() else "" for link in pair)
    return first, second


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


# ---- a retrained model ------------------------------------------------------------------------------------------


def padded(folder: Path, weights: bytes, **changes: Any) -> Bundle:
    """A bundle whose model carries a megabyte of weights, which this tiny net does not read."""
    return load_bundle(make_bundle(folder, model=make_model() + weights, **changes))


@pytest.fixture
def retrained(tmp_path: Path) -> tuple[Bundle, Bundle]:
    """A model of 1 MB, and the same after some training: half of its weights moved by one or two steps."""
    random = np.random.default_rng(1)
    old = random.normal(0, 40, 1 << 20).astype(np.int8)
    steps = random.choice(np.array([0, 0, 1, -1, 2, -2], np.int8), len(old), p=[0.25, 0.25, 0.2, 0.2, 0.05, 0.05])
    first = padded(tmp_path / "first", old.tobytes())
    return first, padded(tmp_path / "second", (old + steps).tobytes(), name="second")


def test_retrained_model_is_sent_as_its_changes(
    connection: Connection, board: Board, retrained: tuple[Bundle, Bundle], root: Path
) -> None:
    """The model that follows the current one goes over in less than 60 % of its size, and lies there to the byte."""
    first, second = retrained
    push(connection, board, first)
    pushed = push(connection, board, second)
    assert 0 < pushed.sent_bytes < 0.6 * (1 << 20)
    assert (pushed.state, linked(root)) == ("current", (second.digest, first.digest))
    assert (root / "current" / "model.tflite").read_bytes() == second.read("model.tflite")


@LOCALLY
def test_requantized_bundle_sends_what_changed(
    connection: Connection, board: Board, retrained: tuple[Bundle, Bundle], tmp_path: Path
) -> None:
    """The same model under another name and with other classes is not sent again."""
    push(connection, board, retrained[0])
    same = padded(
        tmp_path / "same", retrained[0].read("model.tflite")[len(make_model()) :], labels=b"1\n2\n3\n", name="b"
    )
    assert push(connection, board, same).sent_bytes == 6


@pytest.mark.slow
@LOCALLY
@pytest.mark.parametrize("lost", ["here", "there", "rotten there"])
def test_retrained_model_without_the_old_one(
    connection: Connection, board: Board, retrained: tuple[Bundle, Bundle], root: Path, lost: str
) -> None:
    """Where host or board has the old model no more, or not whole, the new one is sent as it is."""
    first, second = retrained
    push(connection, board, first)
    there = root / "blobs" / first.manifest.files["model.tflite"].sha256
    if lost == "here":
        for path in kept.cache_dir().rglob("*"):
            if path.is_file():
                path.unlink()
    elif lost == "there":
        there.unlink()
    else:
        there.write_bytes(bytes(100))
    pushed = push(connection, board, second)
    assert (pushed.state, pushed.sent_bytes > 0.9 * (1 << 20)) == ("current", True)
    assert (root / "current" / "model.tflite").read_bytes() == second.read("model.tflite")


# ---- boards that refuse -----------------------------------------------------------------------------------------


@LOCALLY
def test_board_that_cannot_run_it(board: Board, bundle: Bundle, root: Path, tmp_path: Path) -> None:
    """A board without any package is told apart before the first byte of the bundle is sent."""
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {board.python} -I -S "$@"\n')
    bare.chmod(0o755)
    without = replace(board, python=str(bare))
    with connect(without) as connection, pytest.raises(IncompatibleError, match="no TFLite runtime") as caught:
        push(connection, without, bundle)
    assert "bramble board setup" in caught.value.hint
    assert not (root / "blobs").exists()
    assert not (root / "releases").exists()


@LOCALLY
def test_what_is_there_is_not_weighed_again(
    connection: Connection, board: Board, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release that runs there is not called impossible because memory is short at this moment."""
    push(connection, board, bundle)
    monkeypatch.setattr("bramble.fleet.release.gate.RUNTIME_BYTES", 1 << 50)
    assert push(connection, board, bundle).state == "current"
    with pytest.raises(IncompatibleError, match="of memory or more"):
        push(
            connection,
            board,
            load_bundle(make_bundle(Path(board.root).parent / "more", name="more", labels=b"1\n2\n3\n")),
        )


@LOCALLY
def test_answers_that_differ(connection: Connection, board: Board, bundle: Bundle, tmp_path: Path, root: Path) -> None:
    """Other answers than the bundle's are a result, not an error: it is there and not switched to."""
    golden = make_golden()
    golden["output_0"][2, 1] += 5
    off = load_bundle(make_bundle(tmp_path / "off", arrays=golden))
    push(connection, board, bundle)
    pushed = push(connection, board, off)
    assert (pushed.state, pushed.verify.ok, pushed.verify.max_lsb) == ("refused", False, 5)
    assert Path(pushed.release).is_dir()
    assert linked(root) == (bundle.digest, "")


@LOCALLY
def test_unhealthy(connection: Connection, board: Board, bundle: Bundle, other: Bundle, root: Path) -> None:
    """A health check that fails takes the release back, and its last words are told."""
    push(connection, board, bundle)
    pushed = push(connection, board, other, How(health=("sh", "-c", "echo 'no \"frames\" $HOME' >&2; exit 3")))
    assert (pushed.state, pushed.current) == ("rolled-back", bundle.digest)
    assert pushed.detail == "the health check 'sh' says 3: no \"frames\" $HOME"
    assert linked(root) == (bundle.digest, "")


@LOCALLY
def test_signed_bundles_only(connection: Connection, board: Board, bundle: Bundle, root: Path, tmp_path: Path) -> None:
    """A board with allowed signers takes the bundle with a signature of theirs, and nothing before."""
    mine, yours = (make_key(tmp_path / name) for name in ("mine", "yours"))
    public = " ".join(mine.with_suffix(".pub").read_text().split()[:2])
    (tmp_path / "signers").write_text(f"me {public}\n")
    allow_signers(connection, board, tmp_path / "signers")
    manifest = bundle.read("manifest.json")
    for signature in ("", sign(manifest, yours), sign(manifest + b" ", mine)):
        with pytest.raises(NotTrustedError, match=f"^{board.name}: ") as caught:
            push(connection, board, bundle, How(signature=signature))
        assert caught.value.exit_code == 5
    assert not (root / "blobs").exists()
    assert push(connection, board, bundle, How(signature=sign(manifest, mine))).state == "current"


# ---- going back -------------------------------------------------------------------------------------------------


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


# ---- two hosts at once ------------------------------------------------------------------------------------------


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
