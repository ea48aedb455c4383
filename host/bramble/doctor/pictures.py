"""A folder of pictures, for an examination: with or without one sub-folder a class, since only answers are compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bramble.datasets.folder import SUFFIXES
from bramble.datasets.types import Images, Source
from bramble.errors import DataError
from bramble_agent.pixels import CHANNELS, open_picture
from bramble_agent.wire import Pixels


def pictures_in(folder: Path, pixels: Pixels, labels: tuple[str, ...], warn: Callable[[str], None]) -> Source:
    """The pictures under ``folder``. Their classes are its sub-folders where these are ``labels``, else one class "".

    Raises DataError where there is no folder, or fewer than 4 pictures can be read; others are skipped with a warning.
    """
    if not folder.is_dir():
        raise DataError(f"--pictures: there is no folder {folder}", "give a folder of pictures")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    classes = {path.relative_to(folder).parts[0] for path in paths}
    known = labels if labels and classes == set(labels) else ("",)
    arrays, numbers = [], []
    for path in paths:
        try:
            arrays.append(open_picture(path, pixels))
        except OSError as error:
            warn(f"skipped a damaged picture: {path} ({error})")
            continue
        numbers.append(known.index(path.relative_to(folder).parts[0]) if known == labels else 0)
    if len(arrays) < 4:
        raise DataError(f"{folder} holds {len(arrays)} pictures that can be read", "give at least 4, better 200")
    images = Images(np.stack(arrays), np.array(numbers, np.int64))
    shape = (pixels.height, pixels.width, CHANNELS[pixels.color])
    return Source("folder", "", known, shape, lambda: (images, images))
