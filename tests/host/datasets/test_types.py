"""The held-out split, and digests of files and arrays."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from bramble.datasets.types import Images, Source, digest_arrays, digest_files, split
from bramble.errors import DataError


def numbered(labels: list[int], tests: int = 3) -> Source:
    """A source whose picture k holds the number k, so that pictures can be followed through a split."""

    def images(numbers: range) -> Images:
        pixels = np.array(numbers, dtype=np.uint8).reshape(-1, 1, 1, 1)
        return Images(pixels, np.array([labels[n % len(labels)] if labels else 0 for n in numbers], dtype=np.int64))

    everything = range(len(labels) + tests)
    names = tuple(str(n) for n in range(max(labels, default=0) + 1))
    return Source(
        "numbered", "", names, (1, 1, 1), lambda: (images(everything[: len(labels)]), images(everything[len(labels) :]))
    )


def numbers(images: Images) -> list[int]:
    """The numbers that pictures of ``numbered`` hold."""
    return [int(n) for n in images.pixels[:, 0, 0, 0]]


def test_held_out_takes_its_share_of_every_class() -> None:
    """With 50, 30 and 10 pictures a class, a fifth held out is 10, 6 and 2, whatever the order."""
    data = split(numbered([0] * 50 + [1] * 30 + [2] * 10), 0.2)
    assert np.bincount(data.held_out.labels).tolist() == [10, 6, 2]
    assert np.bincount(data.train.labels).tolist() == [40, 24, 8]


def test_parts_are_disjoint_and_whole() -> None:
    """Every training picture is in exactly one part with its own label; the test set is untouched."""
    labels = [n % 3 for n in range(60)]
    data = split(numbered(labels, tests=5), 0.25)
    train, held_out = numbers(data.train), numbers(data.held_out)
    assert sorted(train + held_out) == list(range(60))
    assert [int(n) for n in data.train.labels] == [n % 3 for n in train]
    assert [int(n) for n in data.held_out.labels] == [n % 3 for n in held_out]
    assert numbers(data.test) == list(range(60, 65))


def test_split_is_the_same_every_time_and_not_the_first_ones() -> None:
    """The split depends on nothing but the data, and is drawn from all of it."""
    source = numbered([0, 1] * 40)
    first, second = split(source, 0.2), split(source, 0.2)
    assert numbers(first.held_out) == numbers(second.held_out)
    assert numbers(first.train) == numbers(second.train)
    assert max(numbers(first.held_out)) >= 40


@pytest.mark.parametrize(
    ("labels", "tests", "share"),
    [([0, 1], 3, 0.1), ([0, 1], 3, 0.9), ([0, 1] * 20, 0, 0.1), ([], 3, 0.5)],
    ids=["none held out", "none left", "no test", "no training"],
)
def test_too_few_pictures_are_refused(labels: list[int], tests: int, share: float) -> None:
    """A part that would be empty is an error with the counts, not a division by zero later."""
    with pytest.raises(DataError, match=rf"too few pictures \({len(labels)} to train, {tests} to test\)"):
        split(numbered(labels, tests), share)


def test_digest_of_files_is_of_contents_and_settings(tmp_path: Path) -> None:
    """The digest is sha256 over the settings' repr and each file's hex sha256; names and times do not matter."""
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    inner = "".join(hashlib.sha256(content).hexdigest() for content in (b"one", b"two"))
    expected = hashlib.sha256(f"(7,){inner}".encode()).hexdigest()
    assert digest_files([tmp_path / "a", tmp_path / "b"], 7) == expected
    os.utime(tmp_path / "a", (1, 1))
    (tmp_path / "b").rename(tmp_path / "c")
    assert digest_files([tmp_path / "a", tmp_path / "c"], 7) == expected
    assert digest_files([tmp_path / "c", tmp_path / "a"], 7) != expected
    assert digest_files([tmp_path / "a", tmp_path / "c"], 8) != expected


def test_digest_of_arrays_is_of_values_shape_and_dtype() -> None:
    """Equal bytes in another shape or dtype are other data; memory order is not."""
    array = np.arange(16, dtype=np.uint8).reshape(2, 8)
    expected = hashlib.sha256(b"('|u1', (2, 8))" + bytes(range(16))).hexdigest()
    assert digest_arrays(array) == expected
    assert digest_arrays(np.asfortranarray(array)) == expected
    assert digest_arrays(array.reshape(4, 4)) != expected
    assert digest_arrays(array.view(np.int64)) != expected


def test_take_keeps_pictures_with_their_labels() -> None:
    """Pictures and labels are picked together, in the order asked for."""
    images = Images(np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1), np.arange(10, 14))
    taken = images.take(np.array([3, 1]))
    assert len(taken) == 2
    assert numbers(taken) == [3, 1]
    assert taken.labels.tolist() == [13, 11]
