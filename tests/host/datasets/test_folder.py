"""A folder of pictures: classes, the split by content, the digest, and damaged files."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bramble.datasets import folder, open_source
from bramble.datasets.types import Source
from bramble.errors import DataError
from bramble.recipe import Data

from .conftest import Tile


def source(root: Path, strict: bool = True, warned: list[str] | None = None, **how: Any) -> Source:
    """The folder as a source of 32 x 32 pictures."""
    settings = Data.model_validate({"name": "folder", "path": root.name, "size": [32, 32]} | how)
    return folder.source(settings, root.parent, strict, (warned if warned is not None else []).append)


def sides(root: Path, **how: Any) -> dict[bytes, bool]:
    """For each picture's pixels: whether it is in the test set."""
    train, test = source(root, **how).load()
    return {array.tobytes(): side for side, part in ((False, train), (True, test)) for array in part.pixels}


def test_classes_are_the_sub_folders(pictures: Path) -> None:
    """Sub-folders with pictures are the classes, in order of name; empty and hidden ones are none."""
    (pictures / "ant").mkdir()
    shutil.copytree(pictures / "cat", pictures / ".thumbnails")
    (pictures / "readme.txt").write_text("no class")
    (pictures / "cat" / "notes.txt").write_text("no picture")
    opened = source(pictures)
    train, test = opened.load()
    assert opened.labels == ("cat", "dog")
    assert opened.shape == (32, 32, 3)
    assert np.bincount(np.concatenate([train.labels, test.labels])).tolist() == [12, 12]


def test_pixels_and_labels_belong_together(pictures: Path, tile: Tile) -> None:
    """Every picture is there unchanged (it has the model's size) with the class of its folder."""
    expected = {np.asarray(tile(k)).tobytes(): k % 2 for k in range(24)}
    train, test = source(pictures).load()
    found = {a.tobytes(): int(n) for part in (train, test) for a, n in zip(part.pixels, part.labels, strict=True)}
    assert found == expected


def test_test_set_is_an_exact_share_of_each_class(pictures: Path) -> None:
    """Of 12 pictures a class, 40 % are 5: those with the lowest sha256."""
    expected = {}
    for folder_of_class in (pictures / "cat", pictures / "dog"):
        paths = sorted(folder_of_class.glob("*.png"), key=lambda path: hashlib.sha256(path.read_bytes()).hexdigest())
        expected.update({np.asarray(Image.open(path)).tobytes(): n < 5 for n, path in enumerate(paths)})
    assert sides(pictures, test=0.4) == expected


@pytest.mark.parametrize(("share", "tested"), [(0.01, 2), (0.99, 22)])
def test_each_side_has_every_class(pictures: Path, share: float, tested: int) -> None:
    """However odd the share, a class of two or more is on both sides."""
    assert sum(sides(pictures, test=share).values()) == tested


def test_adding_pictures_moves_few(pictures: Path, tile: Tile) -> None:
    """One more picture moves at most one other; a renamed copy joins its original and moves none."""
    before = sides(pictures, test=0.4)
    tile(24).save(pictures / "cat" / "024.png")
    after = sides(pictures, test=0.4)
    assert sum(after[pixels] != side for pixels, side in before.items()) <= 1
    for path in (pictures / "dog").glob("*.png"):
        shutil.copy(path, path.with_name(f"copy-{path.name}"))
    assert sides(pictures, test=0.4) == after


def test_path_in_the_home(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that starts with ~ is below the home, wherever the recipe lies."""
    monkeypatch.setenv("HOME", str(pictures.parent))
    opened = open_source(Data(name="folder", path="~/pictures"), tmp_path / "other", None, True, print)
    assert opened.labels == ("cat", "dog")


def test_given_split_is_kept(pictures: Path, tmp_path: Path, tile: Tile) -> None:
    """With train/ and test/ folders their split is taken as it is; a class may be in one of them only."""
    root = tmp_path / "split"
    shutil.copytree(pictures, root / "train")
    for name, k in (("dog", 100), ("eel", 101)):
        (root / "test" / name).mkdir(parents=True)
        tile(k).save(root / "test" / name / "1.png")
    opened = source(root)
    train, test = opened.load()
    assert opened.labels == ("cat", "dog", "eel")
    assert len(train) == 24
    assert test.labels.tolist() == [1, 2]
    assert np.array_equal(test.pixels[1], np.asarray(tile(101)))


def test_digest_follows_content_and_settings_not_time_or_place(pictures: Path, tmp_path: Path, tile: Tile) -> None:
    """The digest changes with a picture, its class, the size and the colours; not with mtime or where the folder is."""
    before = source(pictures).digest
    for path in pictures.rglob("*.png"):
        os.utime(path, (1, 1))
    shutil.copytree(pictures, tmp_path / "elsewhere")
    assert source(pictures).digest == source(tmp_path / "elsewhere").digest == before
    others = [source(pictures, size=[32, 31]).digest, source(pictures, color="gray").digest]
    others += [source(pictures, fit="pad").digest, source(pictures, test=0.9).digest]
    (pictures / "cat" / "000.png").rename(pictures / "dog" / "000.png")
    others.append(source(pictures).digest)
    tile(200).save(pictures / "dog" / "000.png")
    others.append(source(pictures).digest)
    assert len({before, *others}) == 7


@pytest.mark.parametrize("damage", ["cut", "empty", "rubbish", "giant"])
def test_damaged_picture(pictures: Path, tile: Tile, damage: str) -> None:
    """A picture that cannot be decoded is skipped with its name, or refused with its name under strict."""
    victim = pictures / "dog" / "bad.bmp"
    tile(30).save(victim)
    raw = bytearray(victim.read_bytes())
    raw[18:22] = b"\xff\xff\xff\x7f"  # the width of a BMP
    damaged = {"cut": victim.read_bytes()[:1000], "empty": b"", "rubbish": b"rubbish", "giant": bytes(raw)}
    victim.write_bytes(damaged[damage])
    warned: list[str] = []
    train, test = source(pictures, strict=False, warned=warned).load()
    assert len(train) + len(test) == 24
    assert len(warned) == 1
    assert f"skipped a damaged picture: {victim}" in warned[0]
    with pytest.raises(DataError, match=r"bad\.bmp is damaged") as caught:
        source(pictures, strict=True).load()
    assert "remove it" in caught.value.hint


def test_nothing_readable(tmp_path: Path) -> None:
    """If every picture is damaged the data set is refused, strict or not."""
    for name in ("cat", "dog"):
        (tmp_path / "all" / name).mkdir(parents=True)
        (tmp_path / "all" / name / "1.jpg").write_bytes(b"rubbish")
    with pytest.raises(DataError, match="no picture could be read"):
        source(tmp_path / "all", strict=False).load()


@pytest.mark.parametrize("classes", [(), ("cat",)])
def test_too_few_classes(tmp_path: Path, tile: Tile, classes: tuple[str, ...]) -> None:
    """An empty folder, and one with a single class, are refused before anything is loaded."""
    (tmp_path / "few").mkdir()
    for name in classes:
        (tmp_path / "few" / name).mkdir()
        tile(0).save(tmp_path / "few" / name / "1.png")
    with pytest.raises(DataError, match=rf"few holds {len(classes)} class folder\(s\)"):
        source(tmp_path / "few")


def test_missing_folder(tmp_path: Path) -> None:
    """A path that is no folder is named as it was resolved."""
    with pytest.raises(DataError, match=f"there is no folder {tmp_path}/none"):
        open_source(Data(name="folder", path="none"), tmp_path, None, True, print)


def test_path_starts_at_the_recipe(pictures: Path) -> None:
    """A relative path is relative to the recipe's folder, an absolute one stands for itself."""
    relative = open_source(Data(name="folder", path="pictures"), pictures.parent, None, True, print)
    absolute = open_source(Data(name="folder", path=str(pictures)), Path("/"), None, True, print)
    assert relative.digest == absolute.digest
