"""Pictures moved by whole pixels, against np.pad and slices."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from bramble.training.shift import Shift


def by_hand(picture: NDArray[np.float32], most: int, variant: int) -> NDArray[np.float32]:
    """The picture moved by the variant's rows and columns, its border repeated."""
    side = 2 * most + 1
    down, right = variant // side - most, variant % side - most
    height, width, _ = picture.shape
    wide = np.pad(picture, ((most, most), (most, most), (0, 0)), "edge")
    return wide[most - down :, most - right :][:height, :width]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_every_variant(most: int) -> None:
    """Each variant of a picture that is not square, colours included."""
    picture = np.random.default_rng(1).random((5, 7, 3)).astype(np.float32)
    layer = Shift(most)
    assert layer.count == (2 * most + 1) ** 2
    for variant in range(layer.count):
        (moved,) = np.asarray(layer.moved(picture[None], np.array([variant], np.int32)))
        assert np.array_equal(moved, by_hand(picture, most, variant)), variant


def test_the_middle_variant_leaves_a_picture_alone() -> None:
    """So that a held-out picture, which is not moved, is that variant."""
    picture = np.random.default_rng(1).random((1, 4, 4, 1)).astype(np.float32)
    for most in (0, 1, 2):
        layer = Shift(most)
        assert np.array_equal(np.asarray(layer.moved(picture, np.array([layer.count // 2], np.int32))), picture)


def test_variants_are_drawn_alike_often() -> None:
    """All of them, evenly, and anew at every call; not moved outside training."""
    keras.utils.set_random_seed(1)
    pictures, layer = np.random.default_rng(1).random((9_000, 2, 2, 1)).astype(np.float32), Shift(1)
    first, second = (np.asarray(layer.drawn(pictures)) for _ in range(2))
    counts = np.bincount(first, minlength=9)
    assert len(counts) == 9
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)
    assert not np.array_equal(first, second)
    assert np.array_equal(np.asarray(layer(pictures, training=False)), pictures)
