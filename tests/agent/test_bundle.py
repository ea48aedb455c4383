"""Bundles are trusted only when whole: everything that can be wrong with one is refused with a reason."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import zipfile
from pathlib import Path

import pytest

from bramble_agent import bundle as bundles
from bramble_agent.bundle import LIMIT_BYTES, open_bundle
from bramble_agent.errors import BundleDamaged, BundleTooNew
from making import LABELS, bundle_digest, make_bundle, make_model, make_zip

NAMES = sorted(LIMIT_BYTES)
DEEP = b"[" * 100_000
LONG = b'{"version": ' + b"9" * 5000 + b"}"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good bundle folder; tests only read it."""
    return make_bundle(tmp_path_factory.mktemp("whole") / "bundle")


def write_zip(target: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """A zip of exactly these members."""
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target


def members(folder: Path) -> dict[str, bytes]:
    """The bundle's files by name."""
    return {name: (folder / name).read_bytes() for name in NAMES}


def test_folder_and_zip_open_alike(whole: Path, tmp_path: Path) -> None:
    """A folder and its zip give the same digest, labels and model; the digest is the manifest's sha256."""
    for path in (whole, make_zip(whole, tmp_path / "b.zip")):
        opened = open_bundle(path)
        assert opened.digest == bundle_digest(whole)
        assert opened.labels == LABELS
        assert opened.read("model.tflite") == make_model()


def test_linked_folder_opens(whole: Path, tmp_path: Path) -> None:
    """The folder itself may be a link, as a board's ``current`` is."""
    (tmp_path / "current").symlink_to(whole)
    assert open_bundle(tmp_path / "current").digest == bundle_digest(whole)


def test_linked_folder_that_is_switched(whole: Path, tmp_path: Path) -> None:
    """A bundle opened through a link stays itself when the link is switched to another."""
    other = make_bundle(tmp_path / "other", labels=b"a\nb\nc\n")
    (tmp_path / "current").symlink_to(whole)
    opened = open_bundle(tmp_path / "current")
    (tmp_path / "next").symlink_to(other)
    (tmp_path / "next").replace(tmp_path / "current")
    assert opened.read("labels.txt") == (whole / "labels.txt").read_bytes()


def test_nothing_there(tmp_path: Path) -> None:
    """A path that does not exist is refused by name."""
    with pytest.raises(BundleDamaged, match=r"no bundle at .*nowhere"):
        open_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize("name", NAMES)
def test_missing_file(name: str, whole: Path, tmp_path: Path) -> None:
    """A bundle that lacks a file is refused, naming the file, as a folder and as a zip."""
    folder = make_bundle(tmp_path / "b")
    (folder / name).unlink()
    for path in (folder, make_zip(folder, tmp_path / "b.zip")):
        with pytest.raises(BundleDamaged, match=f"{name} is missing"):
            open_bundle(path)


@pytest.mark.parametrize("name", NAMES)
def test_truncated_file(name: str, tmp_path: Path) -> None:
    """A file that lost its last byte is refused."""
    folder = make_bundle(tmp_path / "b")
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1])
    with pytest.raises(BundleDamaged):
        open_bundle(folder)


@pytest.mark.parametrize("name", ["model.tflite", "labels.txt", "golden.npz"])
def test_one_bit_flipped(name: str, tmp_path: Path) -> None:
    """One flipped bit in a listed file is found by its sha256, as a folder and as a zip."""
    folder = make_bundle(tmp_path / "b")
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 0x10
    (folder / name).write_bytes(data)
    for path in (folder, make_zip(folder, tmp_path / "b.zip")):
        with pytest.raises(BundleDamaged, match=f"{name} was altered"):
            open_bundle(path)


def test_one_bit_flipped_in_the_manifest(whole: Path, tmp_path: Path) -> None:
    """A flipped bit anywhere in the manifest is refused, or at least gives the release another name."""
    held = members(whole)
    raw, digest = held["manifest.json"], bundle_digest(whole)
    folder = make_bundle(tmp_path / "b")
    for place in range(0, len(raw), 11):
        changed = bytearray(raw)
        changed[place] ^= 1 << (place % 8)
        (folder / "manifest.json").write_bytes(changed)
        with contextlib.suppress(BundleDamaged, BundleTooNew):
            assert open_bundle(folder).digest != digest


@pytest.mark.parametrize(
    "name", ["../model.tflite", "/model.tflite", "a/model.tflite", "..", "model.tflite/", "C:\\model.tflite", "extra"]
)
def test_unexpected_names_in_a_zip(name: str, whole: Path, tmp_path: Path) -> None:
    """A member with any name but the four is refused, and nothing appears beside the archive."""
    path = write_zip(tmp_path / "b.zip", {**members(whole), name: b"x"})
    with pytest.raises(BundleDamaged, match="unexpected member"):
        open_bundle(path)
    assert list(tmp_path.iterdir()) == [path]


def test_link_in_a_folder(whole: Path, tmp_path: Path) -> None:
    """A file of a bundle may not be a link, even to the right bytes."""
    folder = make_bundle(tmp_path / "b")
    (folder / "labels.txt").unlink()
    (folder / "labels.txt").symlink_to(whole / "labels.txt")
    with pytest.raises(BundleDamaged, match="link"):
        open_bundle(folder)


def test_pipe_in_a_folder(tmp_path: Path) -> None:
    """A named pipe in place of a file is refused and does not block the reader."""
    folder = make_bundle(tmp_path / "b")
    (folder / "model.tflite").unlink()
    os.mkfifo(folder / "model.tflite")
    with pytest.raises(BundleDamaged, match="not a plain file"):
        open_bundle(folder)


def test_link_in_a_zip(whole: Path, tmp_path: Path) -> None:
    """A member marked as a symbolic link is refused."""
    link = zipfile.ZipInfo("labels.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name, data in members(whole).items():
            archive.writestr(link if name == "labels.txt" else name, data)
    with pytest.raises(BundleDamaged, match="is a link"):
        open_bundle(tmp_path / "b.zip")


def test_oversize_file(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file beyond its limit is refused by its stated size, before a byte of it is read."""
    monkeypatch.setitem(bundles.LIMIT_BYTES, "model.tflite", len(make_model()) - 1)
    for path in (whole, make_zip(whole, tmp_path / "b.zip")):
        with pytest.raises(BundleDamaged, match="more than the"):
            open_bundle(path)


def test_duplicate_member(whole: Path, tmp_path: Path) -> None:
    """A zip that holds a name twice is refused: two readers could see different files."""
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name, data in members(whole).items():
            archive.writestr(name, data)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("labels.txt", b"other")
    with pytest.raises(BundleDamaged, match="occurs twice"):
        open_bundle(tmp_path / "b.zip")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_compression(compression: int, whole: Path, tmp_path: Path) -> None:
    """Only stored and deflated members are read: the other decoders may be absent on a board."""
    path = write_zip(tmp_path / "b.zip", members(whole), compression)
    with pytest.raises(BundleDamaged, match="compress"):
        open_bundle(path)


@pytest.mark.parametrize("version", [0, 1, 3, "2", None])
def test_another_version(version: object, tmp_path: Path) -> None:
    """A manifest of another format version is refused as such, before its other fields are looked at."""
    folder = make_bundle(tmp_path / "b")
    (folder / "manifest.json").write_text(json.dumps({"version": version, "new field": 1}))
    with pytest.raises(BundleTooNew, match=f"bundle version {version!r}"):
        open_bundle(folder)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b'"x"', b"null", b"7", b"{}", b"\xff\xfe", b'{"version": 2}', DEEP, LONG],
    ids=lambda raw: repr(raw[:14]),
)
def test_manifest_that_is_none(raw: bytes, tmp_path: Path) -> None:
    """What is no manifest at all (not JSON, not an object, hopelessly nested) is damage, never a crash."""
    folder = make_bundle(tmp_path / "b")
    (folder / "manifest.json").write_bytes(raw)
    with pytest.raises(BundleDamaged):
        open_bundle(folder)


def test_number_beyond_a_float(tmp_path: Path) -> None:
    """An integer that no float can hold, where a float belongs, is damage, never a crash."""
    folder = make_bundle(tmp_path / "b")
    value = json.loads((folder / "manifest.json").read_text())
    value["pixels"]["high"] = 10**400
    (folder / "manifest.json").write_text(json.dumps(value))
    with pytest.raises(BundleDamaged, match=r"pixels\.high"):
        open_bundle(folder)


@pytest.mark.parametrize("name", ["model.tflite", "labels.txt", "golden.npz"])
def test_file_that_the_manifest_does_not_list(name: str, whole: Path, tmp_path: Path) -> None:
    """A file without a digest in the manifest is refused, not trusted."""
    facts = dict(open_bundle(whole).manifest.files)
    del facts[name]
    with pytest.raises(BundleDamaged, match=f"does not list {name}"):
        open_bundle(make_bundle(tmp_path / "b", files=facts))


def test_labels_that_are_not_utf8(tmp_path: Path) -> None:
    """Labels in another encoding are refused, even where the digest is right."""
    with pytest.raises(BundleDamaged, match=r"labels\.txt"):
        open_bundle(make_bundle(tmp_path / "b", labels="même".encode("latin-1")))


@pytest.mark.parametrize("labels", [b"", b"left\nright\n", b"left\nright\nm\nmore\n", b"left\n\nright\nm\n"])
def test_labels_of_another_number(labels: bytes, tmp_path: Path) -> None:
    """The model has three classes: two names, four, or none are damage."""
    count = labels.count(b"\n")
    with pytest.raises(BundleDamaged, match=rf"labels\.txt has {count} names for 3 classes"):
        open_bundle(make_bundle(tmp_path / "b", labels=labels))


def test_labels_of_another_task(tmp_path: Path) -> None:
    """Only a classification's labels are its classes."""
    assert open_bundle(make_bundle(tmp_path / "b", labels=b"one\n", task="regression")).labels == ("one",)


@pytest.mark.parametrize(
    "name", ["../../evil", "..", ".hidden", "", "a/b", "a\\b", "-x", "Upper", "two words", "name\n", "é", "a" * 65]
)
def test_names_that_are_none(name: str, tmp_path: Path) -> None:
    """A name with a path in it, or anything else that is awkward in one, is damage."""
    with pytest.raises(BundleDamaged, match="cannot be named"):
        open_bundle(make_bundle(tmp_path / "b", name=name))


@pytest.mark.parametrize("name", ["a", "0", "digits-int8", "v1.2_x", "a" * 64])
def test_names(name: str, tmp_path: Path) -> None:
    """Letters, digits, dots, dashes and underscores make a name of 64 at most."""
    assert open_bundle(make_bundle(tmp_path / "b", name=name)).manifest.name == name


@pytest.mark.parametrize("which", ["inputs", "outputs"])
def test_no_inputs_or_outputs(which: str, tmp_path: Path) -> None:
    """A manifest that lists no input, or no output, is damage before anybody takes the first of them."""
    with pytest.raises(BundleDamaged, match=f"lists no {which}"):
        open_bundle(make_bundle(tmp_path / "b", **{which: ()}))


def test_zip_cut_anywhere(whole: Path, tmp_path: Path) -> None:
    """A zip that stops at any of many places, its last bytes among them, is always damage."""
    data = make_zip(whole, tmp_path / "b.zip").read_bytes()
    cuts = {*range(0, len(data), 13), *range(len(data) - 30, len(data))}
    for cut in cuts:
        (tmp_path / "cut.zip").write_bytes(data[:cut])
        with pytest.raises(BundleDamaged):
            open_bundle(tmp_path / "cut.zip")
