"""MNIST: 60,000 + 10,000 handwritten digits of 28 x 28 (LeCun, Bottou, Bengio, Haffner 1998)."""

from __future__ import annotations

from pathlib import Path

from bramble.datasets.download import from_keras
from bramble.datasets.idx import source_from
from bramble.datasets.types import Source

LABELS = tuple("0123456789")
DIGEST = "5ffffbee58c1582af1b859934a6f20f6b851b2c06d52c814f85b0e8bc4c11d19"  # digest_arrays of the training set


def source(data_dir: Path | None) -> Source:
    """MNIST from ``data_dir``/mnist, else downloaded by Keras."""
    if data_dir is not None:
        return source_from(data_dir / "mnist", "mnist", LABELS)
    return from_keras("mnist", LABELS, (28, 28, 1), DIGEST)
