"""The digits against scikit-learn's own reader, and what is known of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from bramble.datasets import digits, open_source
from bramble.recipe import Data


def test_counts_and_shape() -> None:
    """1,437 pictures to train on and 360 to test on, of ten classes, as UCI's two groups of writers give."""
    source = digits.source()
    train, test = source.load()
    assert (source.name, source.labels, source.shape) == ("digits", tuple("0123456789"), (8, 8, 1))
    assert train.pixels.shape == (1437, 8, 8, 1)
    assert test.pixels.shape == (360, 8, 8, 1)
    assert train.pixels.dtype == np.uint8
    assert train.labels.dtype == np.int64


def test_every_pixel_is_scikit_learns() -> None:
    """Grey level g of 0..16 becomes round(g · 255/16), picture by picture in scikit-learn's order."""
    from sklearn.datasets import load_digits

    theirs = load_digits()
    levels = {level: round(level * 255 / 16) for level in range(17)}
    assert (levels[0], levels[5], levels[16]) == (0, 80, 255)
    train, test = digits.source().load()
    ours = np.concatenate([train.pixels, test.pixels])[..., 0]
    for level, value in levels.items():
        assert np.array_equal(ours == value, theirs.images == level)
    assert np.array_equal(np.concatenate([train.labels, test.labels]), theirs.target)


def test_first_picture_by_eye() -> None:
    """The first picture is the 0 that scikit-learn's manual shows: its second row is 0 0 13 15 10 15 5 0."""
    train, _ = digits.source().load()
    assert train.labels[:10].tolist() == list(range(10))
    assert train.pixels[0, 1, :, 0].tolist() == [0, 0, 207, 239, 159, 239, 80, 0]


def test_digest_is_stable() -> None:
    """The same data have the same digest each time they are opened."""
    assert digits.source().digest == digits.source().digest
    assert len(digits.source().digest) == 64


def test_open_source_finds_them_without_a_folder(tmp_path: Path) -> None:
    """A recipe's name opens them; no data folder is needed."""
    assert open_source(Data(name="digits"), tmp_path, None, True, print).digest == digits.source().digest


def test_scikit_learn_is_not_imported() -> None:
    """Reading the file that scikit-learn ships does not cost its import."""
    code = "import sys; from bramble.datasets import digits; digits.source(); sys.exit('sklearn' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
