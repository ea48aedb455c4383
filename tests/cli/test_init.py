"""``bramble init``: a recipe for a folder of pictures, or a word on what is wrong with the folder."""

from __future__ import annotations

import tomllib
from pathlib import Path

from running import bramble

from .conftest import Failed


def classes(folder: Path, *names: str) -> Path:
    """A folder with a picture in each class; only the names are looked at."""
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "1.png").write_bytes(b"")
    return folder


def test_name_is_cut_and_the_folder_made(work: Path) -> None:
    """A folder's name may be longer than a recipe's, and the recipe may go where nothing is yet."""
    classes(work / ("p" * 80), "cat", "dog")
    done = bramble("init", "p" * 80, "--recipe", "new/place/recipe.toml", cwd=work)
    assert done.returncode == 0, done.stderr
    assert tomllib.loads((work / "new/place/recipe.toml").read_text())["name"] == "p" * 64


def test_too_few_classes_are_counted(work: Path, failed: Failed) -> None:
    """One class is refused with its count, and nothing is written; exit code 2."""
    classes(work / "pictures", "cat")
    said = failed(bramble("init", "pictures", cwd=work), 2)
    assert "found: cat (1)" in " ".join(said.split())
    assert not (work / "recipe.toml").exists()
