"""The pictures of a folder (or one picture), by name, as frames: decoded exactly as the host does for an evaluation."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Tuple

from ...errors import BadRequest, CameraLost, CameraMissing, FrameDamaged
from ...pixels import open_picture
from ..frame import Format, Frame

if TYPE_CHECKING:
    from ...wire import Pixels

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")


def is_picture(path: str) -> bool:
    """Whether a file is a picture by its name."""
    return os.path.splitext(path)[1].lower() in SUFFIXES


class Folder:
    """A source that is not live. Its frames have the model's size and colours already."""

    live = False

    def __init__(self, path: str, wanted: Pixels, loop: bool = False) -> None:
        self._path, self._wanted, self._loop = Path(path).expanduser(), wanted, loop
        self._form = Format(wanted.width, wanted.height, "gray" if wanted.color == "gray" else "rgb")
        self._files: Tuple[Path, ...] = ()
        self._number, self._whole = 0, 0

    def open(self) -> Format:
        """Read the names. Raises CameraMissing where there is nothing, BadRequest where there is no picture."""
        self._files, self._number, self._whole = self._listed(), 0, 0
        if not self._files:
            hint = f"its names must end in one of {' '.join(SUFFIXES)}"
            raise BadRequest(f"there is no picture in {self._path}", hint)
        return self._form

    def _listed(self) -> Tuple[Path, ...]:
        try:
            if self._path.is_file():
                return (self._path,)
            return tuple(sorted(one for one in self._path.iterdir() if is_picture(one.name) and one.is_file()))
        except OSError as error:
            raise CameraMissing(f"{self._path}: {error.strerror}", "give a folder of pictures on this board") from error

    def read(self) -> Frame | None:
        """The next picture. Raises FrameDamaged for one that cannot be decoded, CameraLost if in a loop none can."""
        number, self._number = self._number, self._number + 1
        at = number % len(self._files)
        if number == at or self._loop:
            if number and not at and not self._whole:
                raise CameraLost(f"no picture in {self._path} can be decoded")
            return self._decoded(number, self._files[at])
        return None

    def _decoded(self, number: int, path: Path) -> Frame:
        taken_ns = time.monotonic_ns()
        try:
            pixels = open_picture(path, self._wanted)
        except OSError as error:
            raise FrameDamaged(f"{path.name}: {error}") from error
        self._whole += 1
        return Frame(number, pixels.reshape(-1), self._form, taken_ns)

    def close(self) -> None:
        """Nothing is held."""
