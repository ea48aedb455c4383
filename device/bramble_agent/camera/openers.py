"""What a board's loop is made of, in one place: which file opens sources, captures, converts, and acts."""

from __future__ import annotations

import dataclasses
import functools

from ..wire import Pixels
from .acting import acting
from .capture import Patience
from .convert import Converter
from .direct import Direct
from .frame import Source
from .looker import Frames
from .loop import Openers
from .model import Convert
from .newest import Newest
from .sources.open import source
from .sources.stream import Stream


def _converter(how: Pixels) -> Convert:
    return Converter(how).pixels


def _frames(text: str, wanted: Pixels, first_s: float = 0.0) -> tuple[Source, Frames]:
    first = source(text, wanted)
    if first.live or isinstance(first, Stream):  # a video is decoded while the model looks at the frame before
        return first, Newest(first, lambda: source(text, wanted), Patience(first_s=first_s))
    return first, Direct(first)


OPENERS = Openers(_frames, _converter, acting)
LASTING = dataclasses.replace(OPENERS, frames=functools.partial(_frames, first_s=float("inf")))
"""A service's: a camera that is not there when the board starts may be plugged in later."""
