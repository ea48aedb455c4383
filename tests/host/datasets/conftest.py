"""Real photographs that need no download: tiles of the one that scikit-learn ships."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from PIL import Image

Tile = Callable[[int], Image.Image]
TILE = 32


@pytest.fixture(scope="session")
def tile() -> Tile:
    """``tile(k)`` is the k-th 32 x 32 piece of a photo of a temple, row by row; 260 there are."""
    path = metadata.distribution("scikit-learn").locate_file("sklearn/datasets/images/china.jpg")
    with Image.open(str(path)) as opened:
        photo = opened.convert("RGB")
    across = photo.width // TILE

    def piece(k: int) -> Image.Image:
        row, column = divmod(k, across)
        return photo.crop((column * TILE, row * TILE, column * TILE + TILE, row * TILE + TILE))

    return piece


@pytest.fixture
def pictures(tmp_path: Path, tile: Tile) -> Path:
    """A folder of two classes with twelve pictures each."""
    for k in range(24):
        path = tmp_path / "pictures" / ("cat", "dog")[k % 2] / f"{k:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        tile(k).save(path)
    return tmp_path / "pictures"
