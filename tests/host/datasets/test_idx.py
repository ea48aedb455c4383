"""The idx format, on files written by hand from its description, and the errors of damaged ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from bramble.datasets.idx import FILES, read_idx, source_from
from bramble.errors import DataError

# magic 0x00000803 (bytes, 3 dimensions), 2 pictures of 2 x 3, big-endian, then 12 bytes
PICTURES = bytes.fromhex("00000803 00000002 00000002 00000003") + bytes(range(12))
LABELS = bytes.fromhex("00000801 00000002 01 00")


def write(path: Path, raw: bytes) -> Path:
    """A gzipped file of these bytes."""
    path.write_bytes(gzip.compress(raw))
    return path


def test_hand_made_file(tmp_path: Path) -> None:
    """Dimensions are big-endian in the header and the last varies fastest."""
    read = read_idx(write(tmp_path / "a.gz", PICTURES))
    assert read.dtype == np.uint8
    assert read.tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]
    assert read_idx(write(tmp_path / "b.gz", LABELS)).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not an idx file"),
        (b"\0\0\x08", "not an idx file"),
        (b"\x89PNG" + PICTURES, "not an idx file"),
        (b"\0\0\x0d" + PICTURES[3:], "not an idx file"),  # 0x0d: floats
        (PICTURES[:6], "cut short within its header"),
        (PICTURES[:15], "cut short within its header"),
        (PICTURES[:-1], "cut short: 11 of 12 bytes"),
        (PICTURES[:16], "cut short: 0 of 12 bytes"),
        (PICTURES + b"\0", "13 of 12 bytes"),
    ],
    ids=repr,
)
def test_damaged_content(tmp_path: Path, raw: bytes, said: str) -> None:
    """A wrong magic number, a cut header and a wrong length are each refused by name."""
    path = write(tmp_path / "a.gz", raw)
    with pytest.raises(DataError, match=said) as caught:
        read_idx(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("damage", [lambda packed: packed[:-5], lambda packed: b"no gzip at all", lambda packed: b""])
def test_damaged_compression(tmp_path: Path, damage: object) -> None:
    """A file that gzip cannot read whole is refused, not raised as gzip's own error."""
    assert callable(damage)
    (tmp_path / "a.gz").write_bytes(damage(gzip.compress(PICTURES)))
    with pytest.raises(DataError, match=r"is damaged|not an idx file"):
        read_idx(tmp_path / "a.gz")


def test_altered_byte_is_noticed_by_gzip(tmp_path: Path) -> None:
    """The checksum of gzip turns a flipped bit into an error."""
    packed = bytearray(gzip.compress(PICTURES))
    packed[-6] ^= 1  # within the CRC
    (tmp_path / "a.gz").write_bytes(packed)
    with pytest.raises(DataError, match="is damaged"):
        read_idx(tmp_path / "a.gz")


@pytest.mark.parametrize("missing", FILES)
def test_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    """Any of the four files that is not there is named, with what to do."""
    for name in FILES:
        if name != missing:
            write(tmp_path / name, PICTURES if "images" in name else LABELS)
    with pytest.raises(DataError, match=missing) as caught:
        source_from(tmp_path, "mnist", ("0", "1"))
    assert "BRAMBLE_DATA" in caught.value.hint


def test_four_files_make_a_source(tmp_path: Path) -> None:
    """Pictures get a channel axis, labels become class numbers; the digest follows the content."""
    for name in FILES:
        write(tmp_path / name, PICTURES if "images" in name else LABELS)
    source = source_from(tmp_path, "mnist", ("0", "1"))
    train, test = source.load()
    assert train.pixels.shape == test.pixels.shape == (2, 2, 3, 1)
    assert train.labels.tolist() == [1, 0]
    write(tmp_path / FILES[1], LABELS[:-1] + b"\1")
    assert source_from(tmp_path, "mnist", ("0", "1")).digest != source.digest


def test_pictures_without_labels_are_refused(tmp_path: Path) -> None:
    """Files of different counts do not belong together."""
    for name in FILES:
        write(tmp_path / name, PICTURES if "images" in name else bytes.fromhex("00000801 00000001 01"))
    with pytest.raises(DataError, match="2 pictures but 1 labels"):
        source_from(tmp_path, "mnist", ("0", "1")).load()
