"""MNIST as published: counts, first labels, and the mean and deviation that everyone normalises by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bramble.datasets import mnist
from bramble.errors import DataError


def test_real_mnist(data: Path) -> None:
    """60,000 + 10,000 pictures; training begins 5 0 4 1 9, testing 7 2 1 0 4; mean 0.1307, deviation 0.3081."""
    source = mnist.source(data)
    train, test = source.load()
    assert source.labels == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert train.pixels.shape == (60_000, 28, 28, 1)
    assert test.pixels.shape == (10_000, 28, 28, 1)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert round(float(train.pixels.mean()) / 255, 4) == 0.1307
    assert round(float(train.pixels.astype(np.float32).std()) / 255, 4) == 0.3081


def test_counts_of_each_class(data: Path) -> None:
    """The published counts of the training set: 5,923 zeros, 6,742 ones, … 5,949 nines."""
    train, _ = mnist.source(data).load()
    assert np.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def test_missing_folder(tmp_path: Path) -> None:
    """A data folder without mnist/ is told at once, before anything is loaded."""
    with pytest.raises(DataError, match=r"mnist: .*train-images-idx3-ubyte\.gz is missing"):
        mnist.source(tmp_path)
