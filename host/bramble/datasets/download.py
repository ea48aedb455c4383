"""Data sets that Keras downloads, checked against the digest of their arrays before anything learns from them."""

from __future__ import annotations

import functools
import importlib

import numpy as np

from bramble.datasets.types import Images, Source, digest_arrays
from bramble.errors import DataError


def from_keras(name: str, labels: tuple[str, ...], shape: tuple[int, int, int], digest: str) -> Source:
    """A data set of ``keras.datasets``; nothing is fetched before it is loaded.

    ``digest`` is that of the training pictures and labels. Loading raises DataError without a network, or where the
    download is not the published data.
    """
    return Source(name, digest, labels, shape, functools.partial(_load, name, shape, digest))


def _load(name: str, shape: tuple[int, int, int], digest: str) -> tuple[Images, Images]:
    module = importlib.import_module(f"keras.datasets.{name}")
    try:
        (train, train_labels), (test, test_labels) = module.load_data()
    except Exception as error:
        raise DataError(
            f"{name} could not be downloaded: {error}",
            "get its files elsewhere and give their folder with --data DIR or $BRAMBLE_DATA; `bramble data` lists them",
        ) from error
    first = Images(train.reshape(-1, *shape), train_labels.reshape(-1).astype(np.int64))
    if digest_arrays(first.pixels, first.labels) != digest:
        raise DataError(
            f"{name}: the download is not the published data", "remove it from ~/.keras/datasets, try again"
        )
    return first, Images(test.reshape(-1, *shape), test_labels.reshape(-1).astype(np.int64))
