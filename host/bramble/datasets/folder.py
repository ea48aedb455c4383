"""A folder of pictures, one sub-folder a class: ``pictures/cat/1.jpg``, ``pictures/dog/a.png``.

With ``train`` and ``test`` sub-folders (each holding the classes) that split is kept. Otherwise a share of each class
is the test set: the pictures with the lowest digests of their content, so that adding pictures moves few from one side
to the other, and a copy of a picture lands on the same side.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bramble.datasets.types import Images, Source, digest_files
from bramble.errors import DataError
from bramble.recipe import Data
from bramble_agent.digest import sha256_file
from bramble_agent.pixels import CHANNELS, open_picture
from bramble_agent.wire import Pixels

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"})


@dataclass(frozen=True)
class _Picture:
    path: Path
    label: int
    test: bool


def source(how: Data, base: Path, strict: bool, warn: Callable[[str], None]) -> Source:
    """Pictures under ``how.path`` (relative to ``base``). Raises DataError where there are none, or too few classes."""
    root = base / Path(str(how.path)).expanduser()
    if not root.is_dir():
        raise DataError(f"data.path: there is no folder {root}", "it must hold one sub-folder of pictures a class")
    labels, pictures = _find(root, how.test)
    spec = Pixels(*how.size, how.color, *how.range, how.fit)
    settings = (how.size, how.color, how.fit, [(str(p.path.relative_to(root)), p.test) for p in pictures])
    shape = (*how.size, CHANNELS[how.color])
    load = functools.partial(_load, pictures, spec, strict, warn)
    return Source("folder", digest_files((p.path for p in pictures), settings), labels, shape, load)


def _find(root: Path, share: float) -> tuple[tuple[str, ...], list[_Picture]]:
    roots = _roots(root)
    labels = _labels(roots)
    if len(labels) < 2:
        raise DataError(f"{root} holds {len(labels)} class folder(s) with pictures, needs 2", "one sub-folder a class")
    found = []
    for top, side in roots.items():
        for number, label in enumerate(labels):
            paths = pictures_of(top / label)
            drawn = _draw(paths, share) if side is None else frozenset(paths if side else ())
            found += [_Picture(path, number, path in drawn) for path in paths]
    return tuple(labels), found


def count_classes(root: Path) -> dict[str, int]:
    """How many pictures each class under ``root`` has."""
    roots = _roots(root)
    return {label: sum(len(pictures_of(top / label)) for top in roots) for label in _labels(roots)}


def _roots(root: Path) -> dict[Path, bool | None]:
    """The folders that hold the classes, and whether they are the test set; None where that must be drawn."""
    parts: dict[Path, bool | None] = {root / "train": False, root / "test": True}
    return parts if all(part.is_dir() for part in parts) else {root: None}


def _labels(roots: Iterable[Path]) -> list[str]:
    return sorted({entry.name for top in roots for entry in top.iterdir() if _is_class(entry)})


def _is_class(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith(".") and bool(pictures_of(entry))


def pictures_of(folder: Path) -> list[Path]:
    """All pictures under a folder, by name."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _draw(paths: list[Path], share: float) -> frozenset[Path]:
    """The share of one class with the lowest digests; at least one content on either side where there are two."""
    digests = {path: sha256_file(path) for path in paths}
    distinct = sorted(set(digests.values()))
    count = min(max(round(share * len(distinct)), 1), len(distinct) - 1)
    chosen = set(distinct[: max(count, 0)])
    return frozenset(path for path, digest in digests.items() if digest in chosen)


def _load(pictures: list[_Picture], spec: Pixels, strict: bool, warn: Callable[[str], None]) -> tuple[Images, Images]:
    kept, arrays = [], []
    for picture in pictures:
        try:
            arrays.append(open_picture(picture.path, spec))
        except OSError as error:
            if strict:
                raise DataError(
                    f"{picture.path} is damaged: {error}", "repair or remove it, or run without --strict"
                ) from error
            warn(f"skipped a damaged picture: {picture.path} ({error})")
            continue
        kept.append(picture)
    if not kept:
        raise DataError("no picture could be read", "see the warnings above")
    pixels = np.stack(arrays)
    labels = np.array([picture.label for picture in kept], dtype=np.int64)
    test = np.array([picture.test for picture in kept])
    everything = Images(pixels, labels)
    return everything.take(np.flatnonzero(~test)), everything.take(np.flatnonzero(test))
