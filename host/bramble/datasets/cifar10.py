"""CIFAR-10: 50,000 + 10,000 pictures of 32 x 32 in ten classes (Krizhevsky 2009).

From a folder it is read as lossless WebP sheets of 1,000 pictures each (25 rows of 40), train_00..49 and test_00..09,
beside labels.npz with y_train and y_test.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bramble.datasets.download import from_keras
from bramble.datasets.types import Images, Source, digest_files
from bramble.errors import DataError

LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHEETS = {"train": 50, "test": 10}
TRAIN_DIGEST = "bb7c7c2073d03f633c9b7127685a7c648cdb224daa29d268d1b00384fae09db6"  # digest_arrays of the training set


def source(data_dir: Path | None) -> Source:
    """CIFAR-10 from ``data_dir``/cifar10, else downloaded by Keras."""
    if data_dir is None:
        return from_keras("cifar10", LABELS, (32, 32, 3), TRAIN_DIGEST)
    folder = data_dir / "cifar10"
    sheets = {part: [folder / f"{part}_{i:02d}.webp" for i in range(n)] for part, n in SHEETS.items()}
    paths = [folder / "labels.npz", *sheets["train"], *sheets["test"]]
    for path in paths:
        if not path.is_file():
            raise DataError(
                f"cifar10: {path} is missing",
                "put labels.npz and the sheets train_00..49.webp, test_00..09.webp there, "
                "or leave --data and $BRAMBLE_DATA out to download CIFAR-10",
            )

    def load() -> tuple[Images, Images]:
        train, test = (
            Images(np.concatenate([_sheet(path) for path in sheets[part]]), _labels(paths[0], f"y_{part}"))
            for part in ("train", "test")
        )
        return train, test

    return Source("cifar10", digest_files(paths), LABELS, (32, 32, 3), load)


def _sheet(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            grid = np.asarray(picture.convert("RGB"))
        return grid.reshape(25, 32, 40, 32, 3).transpose(0, 2, 1, 3, 4).reshape(1000, 32, 32, 3)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged: {error}", "copy it again") from error


def _labels(path: Path, name: str) -> NDArray[np.int64]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            return np.asarray(held[name], dtype=np.int64)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is damaged: {error}", "copy it again") from error
