"""CIFAR-10's sheets: where picture k lies, what is refused, and the published data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bramble.datasets import cifar10
from bramble.errors import DataError

PARTS = {"train": 50, "test": 10}


def folder_of_sheets(root: Path) -> Path:
    """CIFAR-10's layout with sheets drawn by hand: picture k of each is of colour (k // 256, k % 256, 7)."""
    folder = root / "cifar10"
    folder.mkdir()
    sheet = Image.new("RGB", (1280, 800))
    for k in range(1000):
        row, column = divmod(k, 40)
        colour = (k // 256, k % 256, 7)
        sheet.paste(colour, (column * 32, row * 32, column * 32 + 32, row * 32 + 32))
    sheet.save(folder / "train_00.webp", lossless=True, method=0, exact=True)
    packed = (folder / "train_00.webp").read_bytes()
    for part, count in PARTS.items():
        for number in range(count):
            (folder / f"{part}_{number:02d}.webp").write_bytes(packed)
    labels = {f"y_{part}": np.arange(1000 * count, dtype=np.uint8) % 10 for part, count in PARTS.items()}
    np.savez(folder / "labels.npz", **labels)  # type: ignore[arg-type]
    return folder


def test_sheets_are_read_row_by_row(tmp_path: Path) -> None:
    """Picture k of a sheet lies in row k // 40, column k % 40; sheets follow each other."""
    folder_of_sheets(tmp_path)
    source = cifar10.source(tmp_path)
    train, test = source.load()
    assert source.labels[3] == "cat"
    assert train.pixels.shape == (50_000, 32, 32, 3)
    assert test.pixels.shape == (10_000, 32, 32, 3)
    for k in (0, 39, 40, 255, 256, 999, 1000, 1041, 49_999):
        here = k % 1000
        assert np.array_equal(np.unique(train.pixels[k].reshape(-1, 3), axis=0), [[here // 256, here % 256, 7]])
    assert train.labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


@pytest.mark.parametrize("missing", ["labels.npz", "train_49.webp", "test_00.webp"])
def test_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    """Any file that is not there is named, with what to do."""
    (folder_of_sheets(tmp_path) / missing).unlink()
    with pytest.raises(DataError, match=missing) as caught:
        cifar10.source(tmp_path)
    assert "download" in caught.value.hint


@pytest.mark.parametrize("damaged", ["train_00.webp", "labels.npz"])
@pytest.mark.parametrize("content", [b"", b"rubbish", None], ids=["empty", "rubbish", "cut"])
def test_damaged_file_is_named(tmp_path: Path, damaged: str, content: bytes | None) -> None:
    """A file that cannot be read is refused by name."""
    path = folder_of_sheets(tmp_path) / damaged
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(DataError, match=f"{damaged} is damaged"):
        cifar10.source(tmp_path).load()


def test_sheet_of_another_size_is_refused(tmp_path: Path) -> None:
    """A picture that is no sheet of 1,000 is refused."""
    path = folder_of_sheets(tmp_path) / "train_00.webp"
    Image.new("RGB", (640, 800)).save(path, lossless=True)
    with pytest.raises(DataError, match="is damaged"):
        cifar10.source(tmp_path).load()


@pytest.mark.slow
def test_real_cifar10(data: Path) -> None:
    """Training begins with a frog and two trucks, testing with a cat and two ships; the published channel means."""
    source = cifar10.source(data)
    train, test = source.load()
    named = [[source.labels[n] for n in part.labels[:5]] for part in (train, test)]
    assert named == [["frog", "truck", "truck", "deer", "automobile"], ["cat", "ship", "ship", "airplane", "frog"]]
    assert np.bincount(train.labels).tolist() == [5000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    means = train.pixels.mean(axis=(0, 1, 2)) / 255
    assert [round(float(mean), 4) for mean in means] == [0.4914, 0.4822, 0.4465]
    with Image.open(data / "cifar10" / "train_01.webp") as sheet:  # picture 1,234: row 5, column 34 of sheet 1
        expected = np.asarray(sheet.convert("RGB").crop((34 * 32, 5 * 32, 35 * 32, 6 * 32)))
    assert np.array_equal(train.pixels[1234], expected)
