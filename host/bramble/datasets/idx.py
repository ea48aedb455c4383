"""The idx format of MNIST and its like: a big-endian header, then bytes; here in .gz files.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", file format section.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bramble.datasets.types import Images, Source, digest_files
from bramble.errors import DataError

FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def source_from(folder: Path, name: str, labels: tuple[str, ...]) -> Source:
    """A data set of four idx files in ``folder``. Raises DataError naming the first that is missing."""
    paths = [folder / file for file in FILES]
    for path in paths:
        if not path.is_file():
            raise DataError(
                f"{name}: {path} is missing",
                f"put the four files {', '.join(FILES)} there, or leave --data and $BRAMBLE_DATA out to download them",
            )

    def load() -> tuple[Images, Images]:
        train, train_labels, test, test_labels = (read_idx(path) for path in paths)
        return _images(train, train_labels), _images(test, test_labels)

    return Source(name, digest_files(paths), labels, (28, 28, 1), load)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """One gzipped idx file of unsigned bytes. Raises DataError where it is damaged."""
    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}", "copy or download it again") from error
    if len(raw) < 4 or raw[:3] != b"\0\0\x08":
        raise DataError(f"{path} is not an idx file of bytes", "copy or download it again")
    dimensions = raw[3]
    if len(raw) < 4 + 4 * dimensions:
        raise DataError(f"{path} is cut short within its header", "copy it again")
    shape = tuple(int(n) for n in np.frombuffer(raw, ">i4", dimensions, 4))
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions)
    if values.size != np.prod(shape):
        raise DataError(f"{path} is cut short: {values.size:,} of {np.prod(shape):,} bytes", "copy it again")
    return values.reshape(shape)


def _images(pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Images:
    if len(pixels) != len(labels):
        raise DataError(f"{len(pixels):,} pictures but {len(labels):,} labels", "the idx files do not belong together")
    return Images(pixels[..., None], labels.astype(np.int64))
