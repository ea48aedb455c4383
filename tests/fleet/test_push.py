"""A bundle becomes the board's current release, is sent once, and damage on the way changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bramble.bundle import load_bundle, zip_bundle
from bramble.errors import UnreachableError
from bramble.fleet.connect import connect
from bramble.fleet.push import Pushed, push
from bramble.fleet.types import Board, Connection
from bramble_agent.bundle import Bundle
from making import bundle_digest, make_bundle


class BadLine:
    """A connection that flips one bit of each bundle it uploads, or cuts its end off."""

    def __init__(self, inner: Connection, cut: bool) -> None:
        """Wrap ``inner``; all but ``put`` is its own."""
        self.root = inner.root
        self.run, self.size, self.rename, self.close = inner.run, inner.size, inner.rename, inner.close
        self._inner, self._cut = inner, cut

    def put(self, source: Path, target: str) -> None:
        """Upload a damaged copy."""
        data = bytearray(source.read_bytes())
        if "/incoming/" in target:
            data[len(data) // 2] ^= 0 if self._cut else 4
            source = source.with_name("damaged")
            source.write_bytes(data[:-1] if self._cut else data)
        self._inner.put(source, target)


def tree(root: Path) -> dict[str, bytes]:
    """Every file below the releases with its content."""
    releases = root / "releases"
    return {str(path.relative_to(releases)): path.read_bytes() for path in releases.rglob("*") if path.is_file()}


def test_first_push(connection: Connection, board: Board, bundle: Bundle, bundle_path: Path, root: Path) -> None:
    """The release is named by the manifest's sha256, is current, holds the bundle's files, and the upload is gone."""
    digest = bundle_digest(bundle_path)
    pushed = push(connection, board, bundle, bundle_path)
    assert (pushed.release, pushed.previous) == (f"{root}/releases/{digest}", "")
    assert pushed.sent_bytes > 0
    assert (root / "current").resolve() == root / "releases" / digest
    assert not (root / "previous").exists()
    assert tree(root) == {f"{digest}/{path.name}": path.read_bytes() for path in bundle_path.iterdir()}
    assert list((root / "incoming").iterdir()) == []


def test_repeated_push_sends_nothing(connection: Connection, board: Board, bundle: Bundle, bundle_path: Path) -> None:
    """A bundle that is there is not sent again, over another connection either."""
    first = push(connection, board, bundle, bundle_path)
    with connect(board) as another:
        again = push(another, board, bundle, bundle_path)
    assert again == Pushed(first.release, bundle.digest, 0)


def test_second_bundle(connection: Connection, board: Board, bundle: Bundle, bundle_path: Path, root: Path) -> None:
    """Another bundle becomes current, the first stays as previous; pushing the first again sends nothing."""
    other_path = make_bundle(bundle_path.with_name("other"), kind="float32")
    other = load_bundle(other_path)
    push(connection, board, bundle, bundle_path)
    pushed = push(connection, board, other, other_path)
    assert pushed.previous == bundle.digest
    assert (root / "current").resolve().name == other.digest
    assert (root / "previous").resolve().name == bundle.digest
    back = push(connection, board, bundle, bundle_path)
    assert (back.previous, back.sent_bytes) == (other.digest, 0)
    assert (root / "current").resolve().name == bundle.digest


def test_folder_and_zip_are_one_release(
    connection: Connection, board: Board, bundle: Bundle, bundle_path: Path, root: Path, tmp_path: Path
) -> None:
    """A bundle pushed as a zip is the release that its folder would be, file by file."""
    packed = tmp_path / "bundle.zip"
    zip_bundle(bundle_path, packed)
    zipped = load_bundle(packed)
    assert zipped.digest == bundle.digest
    first = push(connection, board, zipped, packed)
    assert first.sent_bytes == packed.stat().st_size
    assert tree(root) == {f"{bundle.digest}/{path.name}": path.read_bytes() for path in bundle_path.iterdir()}
    assert push(connection, board, bundle, bundle_path).sent_bytes == 0


@pytest.mark.parametrize("cut", [False, True], ids=["one bit", "cut"])
def test_damage_on_the_way(
    connection: Connection, board: Board, bundle: Bundle, bundle_path: Path, root: Path, cut: bool
) -> None:
    """An upload that arrives damaged is an error; current and the releases stay; the next push mends it."""
    other_path = make_bundle(bundle_path.with_name("other"), kind="float32")
    other = load_bundle(other_path)
    push(connection, board, bundle, bundle_path)
    before = tree(root)
    with pytest.raises(UnreachableError, match="did not arrive whole") as caught:
        push(BadLine(connection, cut), board, other, other_path)
    assert "push again" in caught.value.hint
    assert tree(root) == before
    assert (root / "current").resolve().name == bundle.digest
    assert push(connection, board, other, other_path).previous == bundle.digest
    assert (root / "current").resolve().name == other.digest


def test_rotten_release_is_sent_anew(
    connection: Connection, board: Board, bundle: Bundle, bundle_path: Path, root: Path
) -> None:
    """A release that lost a bit on the board's card is not taken for whole: it is sent again."""
    first = push(connection, board, bundle, bundle_path)
    model = Path(first.release) / "model.tflite"
    data = bytearray(model.read_bytes())
    data[100] ^= 1
    model.chmod(0o644)
    model.write_bytes(data)
    assert push(connection, board, bundle, bundle_path).sent_bytes == first.sent_bytes
    assert model.read_bytes() == (bundle_path / "model.tflite").read_bytes()


def test_a_file_in_the_way(connection: Connection, board: Board, bundle: Bundle, bundle_path: Path, root: Path) -> None:
    """A left-over of an upload that broke is overwritten."""
    (root / "incoming").mkdir(parents=True)
    (root / f"incoming/{bundle.digest}.zip.part").write_bytes(b"x" * 1_000_000)
    push(connection, board, bundle, bundle_path)
    assert list((root / "incoming").iterdir()) == []


def test_roots_with_odd_names(board: Board, bundle: Bundle, bundle_path: Path, tmp_path: Path) -> None:
    """Spaces, quotes and letters of any alphabet in the board's folder change nothing."""
    odd = replace(board, root=str(tmp_path / "mein 'Brett' $HOME ü"))
    with connect(odd) as connection:
        pushed = push(connection, odd, bundle, bundle_path)
    assert Path(pushed.release).parent == tmp_path / "mein 'Brett' $HOME ü/releases"
    assert (Path(pushed.release) / "manifest.json").exists()
