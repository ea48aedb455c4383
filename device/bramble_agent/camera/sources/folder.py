"""The pictures of a folder (or one picture), by name, as frames: decoded exactly as the host does for an evaluation.

For one model they are decoded to its size; while there are two of different sizes, each model decodes them for itself.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence, Tuple

import numpy as np

from ...errors import BadRequest, CameraLost, CameraMissing, FrameDamaged
from ...pixels import DAMAGE, open_picture
from ..frame import Format, Frame
from ..place import alike

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...wire import Pixels

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")

ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)  # EXIF's tag, and what lies on its side


def is_picture(path: str) -> bool:
    """Whether a file is a picture by its name."""
    return os.path.splitext(path)[1].lower() in SUFFIXES


class Folder:
    """A source that is not live. Its frames have the model's size and colours already."""

    live = False

    def __init__(self, path: str, wanted: Pixels, loop: bool = False) -> None:
        self._path, self._wanted, self._loop = Path(path).expanduser(), wanted, loop
        self._form, self._encoded = _form(wanted), False
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
            if self._encoded:
                form, raw = _undecoded(path)
            else:
                form, raw = self._form, open_picture(path, self._wanted).reshape(-1)
        except OSError as error:
            raise FrameDamaged(f"{_name(path)}: {error}", origin=_name(path)) from error
        self._whole += 1
        return Frame(number, raw, form, taken_ns, origin=_name(path))

    def want(self, wanted: Sequence[Pixels]) -> None:
        """Decode for this model from now on; leave it to them, if they are several that are not alike."""
        self._wanted, self._form = wanted[0], _form(wanted[0])
        self._encoded = not all(alike(one, wanted[0]) for one in wanted)

    def close(self) -> None:
        """Nothing is held."""


def _name(path: Path) -> str:
    """A file's name as text that every action can write, whatever its bytes are."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def _form(wanted: Pixels) -> Format:
    return Format(wanted.width, wanted.height, "gray" if wanted.color == "gray" else "rgb")


def _undecoded(path: Path) -> Tuple[Format, NDArray[Any]]:
    """A picture as it lies in its file: who converts a "jpeg" frame finds out its real kind. Raises OSError."""
    return Format(*_size(path), "jpeg"), np.frombuffer(path.read_bytes(), np.uint8)


def _size(path: Path) -> Tuple[int, int]:
    """Width and height of a picture, upright; only its head is read. Raises OSError for a damaged or unknown file."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            turned = opened.getexif().get(ORIENTATION, 1) in TURNED
            return (opened.height, opened.width) if turned else opened.size
    except (*DAMAGE, Image.DecompressionBombError) as error:
        raise OSError(f"damaged picture: {error}") from error
