"""Fashion-MNIST: 60,000 + 10,000 articles of clothing of 28 x 28 (Xiao, Rasul, Vollgraf 2017, 1708.07747)."""

from __future__ import annotations

from pathlib import Path

from bramble.datasets.download import from_keras
from bramble.datasets.idx import source_from
from bramble.datasets.types import Source

LABELS = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
DIGEST = "fe34c82d0616f694c1cecb2916c0e107b8dd3668487ebce0760a97017f9a1ebb"  # digest_arrays of the training set


def source(data_dir: Path | None) -> Source:
    """Fashion-MNIST from ``data_dir``/fashion-mnist, else downloaded by Keras."""
    if data_dir is not None:
        return source_from(data_dir / "fashion-mnist", "fashion_mnist", LABELS)
    return from_keras("fashion_mnist", LABELS, (28, 28, 1), DIGEST)
