"""Pictures for a foreign model: computed ones for its golden answers; a person's own, in folders named as labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bramble.datasets.folder import pictures_of
from bramble.datasets.types import Images
from bramble.errors import DataError
from bramble.events import Note, OnEvent
from bramble_agent.pixels import CHANNELS, open_picture
from bramble_agent.wire import Pixels

FEWEST, MOST = 4, 16
MOST_BYTES = 1 << 20  # of all golden pictures: they travel to the board


def how_many(how: Pixels) -> int:
    """So many golden pictures of that size."""
    size = how.height * how.width * CHANNELS[how.color]
    return max(FEWEST, min(MOST, MOST_BYTES // size))


def computed(how: Pixels) -> NDArray[np.uint8]:
    """Pictures uint8 [N, height, width, channels], always the same: noise of ever coarser grain on a slope."""
    rng = np.random.default_rng(0)
    shape = (how.height, how.width, CHANNELS[how.color])
    rows, columns = np.indices(shape[:2])
    slope = (rows / how.height + columns / how.width)[..., None] * 64.0
    pictures = np.empty((how_many(how), *shape), np.uint8)
    for number, into in enumerate(pictures):
        grain = 1 << (number % 6)
        coarse = rng.integers(0, 192, (-(-how.height // grain), -(-how.width // grain), shape[2]))
        noise = coarse.repeat(grain, 0).repeat(grain, 1)[: how.height, : how.width]
        into[...] = np.clip(noise * rng.uniform(0.2, 1.0) + slope, 0, 255)
    return pictures


def labelled(folder: Path, labels: Sequence[str], how: Pixels, on_event: OnEvent) -> Images:
    """The pictures in ``folder``, one sub-folder a label. A damaged one is left out, and told.

    Raises DataError where there is none, or a sub-folder's name is no label.
    """
    if not folder.is_dir():
        raise DataError(f"--data: there is no folder {folder}", "it must hold one sub-folder of pictures a label")
    places = {label.lower(): number for number, label in reversed([*enumerate(labels)])}
    pixels, numbers = [], []
    for part in sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")):
        if part.name.lower() not in places:
            known = ", ".join(labels[:8]) + (", …" if len(labels) > 8 else "")
            raise DataError(f"--data: the folder {part.name} is no label of the model", f"its labels: {known}")
        for path in pictures_of(part):
            try:
                pixels.append(open_picture(path, how))
            except OSError as error:
                on_event(Note(f"skipped a damaged picture: {path} ({error})", warning=True))
                continue
            numbers.append(places[part.name.lower()])
    if not pixels:
        raise DataError(f"--data: there is no picture in {folder}", "it must hold one sub-folder of pictures a label")
    return Images(np.stack(pixels), np.array(numbers, dtype=np.int64))
