"""Photographs as people have them: turned by EXIF, gray, CMYK, transparent, cut short."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bramble.datasets import folder
from bramble.errors import DataError
from bramble.recipe import Data

from .conftest import Tile


def loaded(root: Path, photo: Path, tile: Tile, **how: Any) -> NDArray[np.uint8]:
    """The pixels of ``photo`` as a data set's only picture of the class "photo"."""
    for name in ("other", "photo"):
        (root / "pictures" / name).mkdir(parents=True)
    tile(0).save(root / "pictures" / "other" / "1.png")
    shutil.copy(photo, root / "pictures" / "photo")
    source = folder.source(Data.model_validate({"name": "folder", "path": "pictures"} | how), root, True, print)
    for part in source.load():
        if 1 in part.labels:
            picture: NDArray[np.uint8] = part.pixels[part.labels == 1][0]
            return picture
    raise AssertionError("the photo is in neither part")


@pytest.mark.parametrize("orientation", [3, 6])
def test_exif_orientation(data: Path, tmp_path: Path, tile: Tile, orientation: int) -> None:
    """One scene stored upright, upside down and on its side comes out the same (JPEG noise aside)."""
    photos = data / "photos"
    size = {"size": [40, 60], "fit": "stretch"}
    upright = loaded(tmp_path / "1", photos / "exif_Landscape_1.jpg", tile, **size).astype(float)
    turned = loaded(tmp_path / "2", photos / f"exif_Landscape_{orientation}.jpg", tile, **size).astype(float)
    assert np.abs(upright - turned).mean() < 1
    assert np.abs(upright[::-1, ::-1] - turned).mean() > 50


def test_gray_photo_for_a_colour_model(data: Path, tmp_path: Path, tile: Tile) -> None:
    """A gray JPEG gives three equal channels of its own values."""
    photo = data / "photos" / "pillow_hopper_gray.jpg"
    picture = loaded(tmp_path, photo, tile, size=[128, 128])
    with Image.open(photo) as opened:
        expected = np.asarray(opened)
    for channel in range(3):
        assert np.array_equal(picture[..., channel], expected)


def test_colour_photo_for_a_gray_model(data: Path, tmp_path: Path, tile: Tile) -> None:
    """Luma by ITU-R 601: 0.299 R + 0.587 G + 0.114 B."""
    photo = data / "photos" / "skimage_astronaut.png"
    picture = loaded(tmp_path, photo, tile, size=[512, 512], color="gray")
    with Image.open(photo) as opened:
        expected = np.asarray(opened.convert("RGB")) @ [0.299, 0.587, 0.114]
    assert picture.shape == (512, 512, 1)
    assert np.abs(picture[..., 0] - expected).max() <= 1


def test_cmyk_photo(data: Path, tmp_path: Path, tile: Tile) -> None:
    """A CMYK JPEG becomes (255 − ink)(255 − black)/255 in each channel."""
    photo = data / "photos" / "pillow_pil_sample_cmyk.jpg"
    picture = loaded(tmp_path, photo, tile, size=[100, 100])
    with Image.open(photo) as opened:
        inks = np.asarray(opened).astype(float)
    expected = (255 - inks[..., :3]) * (255 - inks[..., 3:]) / 255
    assert expected.std() > 20
    assert np.abs(picture - expected).max() <= 1


def test_transparency_is_laid_on_white(data: Path, tmp_path: Path, tile: Tile) -> None:
    """Colour c with opacity a becomes c·a + 255·(1 − a)."""
    with Image.open(data / "photos" / "skimage_chelsea.png") as opened:
        cat = np.asarray(opened.convert("RGB"))
    opacity = np.broadcast_to(np.linspace(0, 255, cat.shape[1]).round().astype(np.uint8), cat.shape[:2])
    Image.fromarray(np.dstack([cat, opacity])).save(tmp_path / "cat.png")
    picture = loaded(tmp_path, tmp_path / "cat.png", tile, size=list(cat.shape[:2]))
    share = opacity[..., None] / 255.0
    assert np.abs(picture - (cat * share + 255 * (1 - share))).max() <= 1


def test_fit_crop_keeps_the_middle(data: Path, tmp_path: Path, tile: Tile) -> None:
    """Crop to a square of the same height is the middle of the photo, pixel by pixel."""
    photo = data / "photos" / "skimage_chelsea.png"
    picture = loaded(tmp_path, photo, tile, size=[300, 301], fit="crop")
    with Image.open(photo) as opened:
        middle = np.asarray(opened.convert("RGB"))[:, 75:376]
    assert np.array_equal(picture, middle)


def test_photo_cut_short_is_refused(data: Path, tmp_path: Path, tile: Tile) -> None:
    """A JPEG that ends too early is damaged, even if Pillow could show the upper part."""
    with pytest.raises(DataError, match=r"pillow_truncated_jpeg\.jpg is damaged"):
        loaded(tmp_path, data / "photos" / "pillow_truncated_jpeg.jpg", tile)
