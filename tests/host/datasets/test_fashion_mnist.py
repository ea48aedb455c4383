"""Fashion-MNIST as published: counts, first labels, mean and deviation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bramble.datasets import fashion_mnist
from bramble.errors import DataError


def test_real_fashion_mnist(data: Path) -> None:
    """60,000 + 10,000 pictures, 6,000 + 1,000 a class; the first is an ankle boot; mean 0.2860, deviation 0.3530."""
    source = fashion_mnist.source(data)
    train, test = source.load()
    assert train.pixels.shape == (60_000, 28, 28, 1)
    assert np.bincount(train.labels).tolist() == [6000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    assert source.labels[train.labels[0]] == source.labels[test.labels[0]] == "ankle boot"
    assert train.labels[:5].tolist() == [9, 0, 0, 3, 0]
    assert round(float(train.pixels.mean()) / 255, 4) == 0.2860
    assert round(float(train.pixels.astype(np.float32).std()) / 255, 4) == 0.3530


def test_missing_folder(tmp_path: Path) -> None:
    """A data folder without fashion-mnist/ is told at once."""
    with pytest.raises(DataError, match=r"fashion_mnist: .*fashion-mnist.* is missing"):
        fashion_mnist.source(tmp_path)
