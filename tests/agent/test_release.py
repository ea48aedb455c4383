"""Releases: taken in whole, switched at once, mended when damaged, and never left in between."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bramble_agent.bundle import LIMIT_BYTES, open_bundle
from bramble_agent.errors import BadRequest, BundleDamaged, StorageFailed
from bramble_agent.release import release
from bramble_agent.wire import ReleaseAnswer, ReleaseAsk
from making import bundle_digest, make_bundle, make_zip


def upload(root: Path, name: str, packed: bool = False) -> tuple[str, str]:
    """A bundle called ``name`` in the board's folder of uploads: its path and its digest."""
    folder = make_bundle(root / "incoming" / name, name=name)
    digest = bundle_digest(folder)
    if not packed:
        return str(folder), digest
    path = make_zip(folder, root / "incoming" / f"{digest}.zip")
    shutil.rmtree(folder)
    return str(path), digest


def push(root: Path, name: str, packed: bool = False) -> tuple[str, ReleaseAnswer]:
    """Upload and release a bundle."""
    incoming, digest = upload(root, name, packed)
    return digest, release(ReleaseAsk(str(root), digest, incoming))


def linked(root: Path, name: str) -> str:
    """The digest that ``current`` or ``previous`` points at; "" if there is no such link."""
    link = root / name
    return link.resolve(strict=True).name if link.is_symlink() else ""


def names(folder: Path) -> set[str]:
    """What is in a folder."""
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_first_release(packed: bool, tmp_path: Path) -> None:
    """The first release is whole, is current, has nothing before it, and its upload is gone."""
    digest, answer = push(tmp_path, "a", packed)
    assert answer == ReleaseAnswer(True, str(tmp_path / "releases" / digest), "")
    assert (linked(tmp_path, "current"), linked(tmp_path, "previous")) == (digest, "")
    assert open_bundle(tmp_path / "current").digest == digest
    assert names(tmp_path / "current") == set(LIMIT_BYTES)
    assert names(tmp_path / "incoming") == set()


def test_links_are_relative(tmp_path: Path) -> None:
    """The links still lead to the releases when the whole folder is moved."""
    digest, _ = push(tmp_path / "old", "a")
    (tmp_path / "old").rename(tmp_path / "new")
    assert open_bundle(tmp_path / "new" / "current").digest == digest


def test_next_release_keeps_the_previous(tmp_path: Path) -> None:
    """Each release becomes current and the one it followed becomes previous."""
    a, _ = push(tmp_path, "a")
    b, answer = push(tmp_path, "b")
    assert answer.previous == a
    assert (linked(tmp_path, "current"), linked(tmp_path, "previous")) == (b, a)
    c, answer = push(tmp_path, "c", packed=True)
    assert (linked(tmp_path, "current"), linked(tmp_path, "previous")) == (c, b)
    assert names(tmp_path / "releases") == {a, b, c}


def test_switching_back_needs_no_upload(tmp_path: Path) -> None:
    """A release that is on the board is made current again by its digest alone: a rollback."""
    a, _ = push(tmp_path, "a")
    b, _ = push(tmp_path, "b")
    assert release(ReleaseAsk(str(tmp_path), a)).present
    assert (linked(tmp_path, "current"), linked(tmp_path, "previous")) == (a, b)


def test_repeating_changes_nothing(tmp_path: Path) -> None:
    """Releasing the current release again leaves both links and the files untouched."""
    push(tmp_path, "a")
    b, _ = push(tmp_path, "b")

    def state() -> list[tuple[str, int, int]]:
        paths = (*tmp_path.glob("*"), *tmp_path.glob("releases/*/*"))
        return sorted(
            (str(path), path.lstat().st_ino, path.lstat().st_mtime_ns) for path in paths if path.name != "lock"
        )

    before = state()
    assert release(ReleaseAsk(str(tmp_path), b)).present
    assert push(tmp_path, "b")[0] == b
    assert [entry for entry in state() if "incoming" not in entry[0]] == [
        entry for entry in before if "incoming" not in entry[0]
    ]


def test_absent_release(tmp_path: Path) -> None:
    """Asked for a release that is not there, the board says so and changes nothing."""
    a, _ = push(tmp_path, "a")
    assert release(ReleaseAsk(str(tmp_path), "0" * 64)) == ReleaseAnswer(False, "", "")
    assert linked(tmp_path, "current") == a


@pytest.mark.parametrize("digest", ["", ".", "..", "../../etc", "A" * 64, "0" * 63, "0" * 64 + "\n", "/" + "0" * 63])
def test_digest_that_is_none(digest: str, tmp_path: Path) -> None:
    """What is no sha256 never becomes a folder's name."""
    push(tmp_path, "a")
    current = linked(tmp_path, "current")
    with pytest.raises(BadRequest, match="digest"):
        release(ReleaseAsk(str(tmp_path), digest))
    assert linked(tmp_path, "current") == current


def test_other_bundle_than_announced(tmp_path: Path) -> None:
    """A whole bundle under another's digest is refused, and current stays."""
    a, _ = push(tmp_path, "a")
    incoming, _ = upload(tmp_path, "b")
    with pytest.raises(BundleDamaged, match=r"holds \w+, not 111111"):
        release(ReleaseAsk(str(tmp_path), "1" * 64, incoming))
    assert linked(tmp_path, "current") == a
    assert names(tmp_path / "releases") == {a}


@pytest.mark.parametrize("name", sorted(LIMIT_BYTES))
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_flipped_bit_on_the_way(packed: bool, name: str, tmp_path: Path) -> None:
    """An upload with one bit changed is refused, whichever file it is in, and current stays."""
    a, _ = push(tmp_path, "a")
    incoming, b = upload(tmp_path, "b")
    data = bytearray((Path(incoming) / name).read_bytes())
    data[len(data) // 2] ^= 1
    (Path(incoming) / name).write_bytes(data)
    if packed:
        incoming = str(make_zip(Path(incoming), tmp_path / "incoming" / "b.zip"))
    with pytest.raises(BundleDamaged):
        release(ReleaseAsk(str(tmp_path), b, incoming))
    assert linked(tmp_path, "current") == a
    assert names(tmp_path / "releases") == {a}


def test_upload_that_never_came(tmp_path: Path) -> None:
    """An upload that is not there is refused by name."""
    with pytest.raises(BundleDamaged, match="no bundle at"):
        release(ReleaseAsk(str(tmp_path), "1" * 64, str(tmp_path / "incoming" / "gone.zip")))


def test_release_that_rots_is_mended(tmp_path: Path) -> None:
    """A release that lost a bit on the card counts as absent, and pushing it again mends it."""
    a, _ = push(tmp_path, "a")
    (tmp_path / "releases" / a / "labels.txt").write_bytes(b"left\nright\nm\xc3\xabme\n")
    assert release(ReleaseAsk(str(tmp_path), a)) == ReleaseAnswer(False, "", "")
    push(tmp_path, "a", packed=True)
    assert open_bundle(tmp_path / "current").digest == a


def test_left_over_from_a_power_cut(tmp_path: Path) -> None:
    """Half a release and half a link, left by a cut, do not stand in the way of the next."""
    a, _ = push(tmp_path, "a")
    shutil.copytree(tmp_path / "releases" / a, tmp_path / "releases" / ".fresh")
    (tmp_path / "releases" / ".fresh" / "more").write_text("x")
    (tmp_path / ".current").symlink_to("nowhere")
    b, _ = push(tmp_path, "b", packed=True)
    assert open_bundle(tmp_path / "current").digest == b
    assert names(tmp_path / "releases") == {a, b}


def test_old_uploads_are_cleared(tmp_path: Path) -> None:
    """Uploads nobody finished in a day go with the next release; younger ones stay."""
    for name, hours in (("old", 25), ("old.zip", 25), ("young", 23)):
        path = tmp_path / "incoming" / name
        path.mkdir(parents=True) if path.suffix == "" else path.touch()
        os.utime(path, (time.time() - hours * 3600,) * 2)
    (tmp_path / "incoming" / "dangling").symlink_to("nowhere")
    push(tmp_path, "a")
    assert names(tmp_path / "incoming") == {"young", "dangling"}


def test_only_our_own_uploads_are_removed(tmp_path: Path) -> None:
    """A bundle that lies elsewhere, as on this machine itself, is copied and stays where it is."""
    folder = make_bundle(tmp_path / "work" / "bundle")
    release(ReleaseAsk(str(tmp_path / "root"), bundle_digest(folder), str(folder)))
    assert open_bundle(folder).digest == linked(tmp_path / "root", "current")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of our own with room for 40 files."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "nr_inodes=40", "tmpfs", str(disk)]
    made = subprocess.run(mount, capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no right to mount a small file system here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_full_disk(small_disk: Path) -> None:
    """Wherever the disk gets full, it is StorageFailed and current is the old release; with room it goes on."""
    a, _ = push(small_disk, "a")
    incoming, b = upload(small_disk, "b", packed=True)
    filler: list[Path] = []
    while True:
        try:
            (small_disk / f"filler{len(filler)}").touch()
        except OSError:
            break
        filler.append(small_disk / f"filler{len(filler)}")
    refused = 0
    while filler:
        try:
            release(ReleaseAsk(str(small_disk), b, incoming))
            break
        except StorageFailed as error:
            refused += 1
            hint = error.hint
        assert open_bundle(small_disk / "current").digest == a
        assert "space" in hint
        filler.pop().unlink()
    assert refused >= 4
    assert open_bundle(small_disk / "current").digest == b


def test_read_only_disk(small_disk: Path) -> None:
    """On a disk that was turned read-only nothing is written, and the refusal says so."""
    a, _ = push(small_disk, "a")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StorageFailed, match="Read-only"):
        release(ReleaseAsk(str(small_disk), "1" * 64))
    assert linked(small_disk, "current") == a


def test_root_that_is_a_file(tmp_path: Path) -> None:
    """A root that cannot be a folder is a failure of storage, with its path."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="file"):
        release(ReleaseAsk(str(tmp_path / "file"), "1" * 64))


def test_two_at_once(tmp_path: Path) -> None:
    """Two processes that release different bundles over and over leave one whole current and the other as previous."""
    a, b = (upload(tmp_path, name, packed=True) for name in "ab")
    code = (
        "import json, sys\n"
        "from bramble_agent.release import release\n"
        "from bramble_agent.wire import ReleaseAsk\n"
        "root, digest, incoming = json.loads(sys.argv[1])\n"
        "for _ in range(100):\n"
        "    assert release(ReleaseAsk(root, digest, incoming)).present\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "device")}
    running = [
        subprocess.Popen([sys.executable, "-c", code, json.dumps([str(tmp_path), digest, incoming])], env=env)
        for incoming, digest in (a, b)
    ]
    while any(process.poll() is None for process in running):
        if (tmp_path / "current").is_symlink():
            assert open_bundle(tmp_path / "current").digest in {a[1], b[1]}
    assert [process.returncode for process in running] == [0, 0]
    assert {linked(tmp_path, "current"), linked(tmp_path, "previous")} == {a[1], b[1]}
    assert names(tmp_path / "releases") == {a[1], b[1]}
