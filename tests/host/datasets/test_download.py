"""The download path, with Keras' loader replaced: there is no network in a test."""

from __future__ import annotations

import importlib
import urllib.error
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bramble.datasets import cifar10, digits, fashion_mnist, mnist
from bramble.datasets.download import from_keras
from bramble.datasets.types import digest_arrays
from bramble.errors import DataError

SETS = {"mnist": mnist, "fashion_mnist": fashion_mnist, "cifar10": cifar10}
SHAPES = {"mnist": (28, 28), "fashion_mnist": (28, 28), "cifar10": (32, 32, 3)}


def replace(patch: pytest.MonkeyPatch, name: str, load: Any) -> None:
    """Make ``load`` Keras' loader of a data set."""
    patch.setattr(importlib.import_module(f"keras.datasets.{name}"), "load_data", load)


@pytest.mark.parametrize("name", SETS)
def test_no_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening fetches nothing; loading without a network says how to give the files instead."""

    def unreachable() -> None:
        raise urllib.error.URLError("Temporary failure in name resolution")

    replace(monkeypatch, name, unreachable)
    module: ModuleType = SETS[name]
    source = module.source(None)
    with pytest.raises(DataError, match=f"{name} could not be downloaded: .*name resolution") as caught:
        source.load()
    assert "--data" in caught.value.hint
    assert "BRAMBLE_DATA" in caught.value.hint


@pytest.mark.parametrize("name", SETS)
def test_other_data_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays of the right shape but other content are not learned from."""
    pictures, labels = np.zeros((10, *SHAPES[name]), np.uint8), np.zeros(10, np.uint8)
    replace(monkeypatch, name, lambda: ((pictures, labels), (pictures, labels)))
    with pytest.raises(DataError, match=f"{name}: the download is not the published data"):
        SETS[name].source(None).load()


def test_right_data_pass_and_get_their_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras' shapes (no channel axis, labels in a column) become ours."""
    train, test = digits.source().load()
    loaded = ((train.pixels[..., 0], train.labels[:, None]), (test.pixels[..., 0], test.labels[:, None]))
    replace(monkeypatch, "mnist", lambda: loaded)
    source = from_keras("mnist", tuple("0123456789"), (8, 8, 1), digest_arrays(train.pixels, train.labels))
    first, second = source.load()
    assert np.array_equal(first.pixels, train.pixels)
    assert np.array_equal(first.labels, train.labels)
    assert np.array_equal(second.pixels, test.pixels)
    assert second.labels.dtype == np.int64


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", pytest.param("cifar10", marks=pytest.mark.slow)])
def test_pinned_digest_is_that_of_the_published_data(name: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real data, given as Keras gives them, pass the check of the download."""
    train, test = SETS[name].source(data).load()
    shape = (-1, *SHAPES[name])
    columns = [part.labels.astype(np.uint8)[:, None] for part in (train, test)]
    loaded = ((train.pixels.reshape(shape), columns[0]), (test.pixels.reshape(shape), columns[1]))
    replace(monkeypatch, name, lambda: loaded)
    first, second = SETS[name].source(None).load()
    assert np.array_equal(first.labels, train.labels)
    assert np.array_equal(second.pixels, test.pixels)
