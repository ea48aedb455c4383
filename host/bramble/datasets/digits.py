"""Handwritten digits: 1,797 pictures of 8 x 8 that scikit-learn ships (UCI optdigits, Alpaydin & Kaynak 1998).

Their 17 grey levels are spread over 0..255. The last 360 are the test set: other writers than the first 1,437, which a
random split would mix.
"""

from __future__ import annotations

import numpy as np

from bramble.datasets.types import Images, Source, digest_arrays

TEST = 360


def source() -> Source:
    """The digits; no download, no file of ours."""
    everything = _everything()

    def load() -> tuple[Images, Images]:
        first, last = np.arange(len(everything) - TEST), np.arange(len(everything) - TEST, len(everything))
        return everything.take(first), everything.take(last)

    digest = digest_arrays(everything.pixels, everything.labels)
    return Source("digits", digest, tuple("0123456789"), (8, 8, 1), load)


def _everything() -> Images:
    import csv
    import gzip
    from importlib import metadata

    # read as scikit-learn's load_digits does, without the 2 s that importing scikit-learn takes
    packed = metadata.distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    with gzip.open(str(packed), "rt", encoding="ascii") as file:
        rows = np.array(list(csv.reader(file)), dtype=np.float64)
    pixels = np.round(rows[:, :-1] * (255.0 / 16.0)).astype(np.uint8).reshape(-1, 8, 8, 1)
    return Images(pixels, rows[:, -1].astype(np.int64))
