"""What every data set is: named classes, uint8 pictures, a digest, and a way to load them only when needed.

Pictures stay uint8 [N, height, width, channels] until the model's input: the same bytes that a board's camera gives.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bramble.errors import DataError
from bramble_agent.digest import sha256_file

SPLIT_SEED = 20_201  # of the held-out part: the same for every recipe and seed, so that choices are comparable


@dataclass(frozen=True)
class Images:
    """Pictures uint8 [N, h, w, c] and their class numbers int64 [N]."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, where: NDArray[np.intp]) -> Images:
        """The pictures at these places."""
        return Images(self.pixels[where], self.labels[where])


@dataclass(frozen=True)
class Source:
    """A data set that can be loaded: ``load`` gives the training and the test pictures."""

    name: str
    digest: str
    labels: tuple[str, ...]
    shape: tuple[int, int, int]
    load: Callable[[], tuple[Images, Images]]


@dataclass(frozen=True)
class Dataset:
    """A loaded data set. ``held_out`` was cut from the training set: choices are made on it, never on ``test``."""

    labels: tuple[str, ...]
    train: Images
    held_out: Images
    test: Images


def split(source: Source, share: float) -> Dataset:
    """Load ``source`` and cut the held-out part, ``share`` of each class, from its training set.

    Raises DataError where a part would be empty.
    """
    train, test = source.load()
    order = np.random.default_rng(SPLIT_SEED).permutation(len(train))
    held: list[NDArray[np.intp]] = []
    for number in range(len(source.labels)):
        mine = order[train.labels[order] == number]
        held.append(mine[: round(share * len(mine))])
    chosen = np.concatenate(held)
    rest = np.setdiff1d(order, chosen)
    if not len(chosen) or not len(rest) or not len(test):
        raise DataError(
            f"{source.name}: too few pictures ({len(train)} to train, {len(test)} to test)",
            "give more pictures, or change data.held_out and data.test",
        )
    return Dataset(source.labels, train.take(rest), train.take(np.sort(chosen)), test)


def digest_files(paths: Iterable[Path], *settings: object) -> str:
    """One sha256 over the contents of files (in the given order) and over settings that change what is read."""
    digest = hashlib.sha256(repr(settings).encode())
    for path in paths:
        digest.update(sha256_file(path).encode())
    return digest.hexdigest()


def digest_arrays(*arrays: NDArray[np.uint8] | NDArray[np.int64]) -> str:
    """One sha256 over shapes and values."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
