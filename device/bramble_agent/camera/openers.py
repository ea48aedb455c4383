"""What a board's loop is made of, in one place: which file opens sources, captures, converts, and acts."""

from __future__ import annotations

from ..errors import BadRequest
from ..wire import Pixels
from ..wire_camera import CameraAsk
from .convert import Converter
from .direct import Direct
from .event import Action
from .frame import Source
from .looker import Frames
from .loop import Openers
from .model import Convert
from .newest import Newest
from .sources.open import source
from .sources.stream import Stream


def _converter(how: Pixels) -> Convert:
    return Converter(how).pixels


def _frames(text: str, wanted: Pixels) -> tuple[Source, Frames]:
    first = source(text, wanted)
    if first.live or isinstance(first, Stream):  # a video is decoded while the model looks at the frame before
        return first, Newest(first, lambda: source(text, wanted))
    return first, Direct(first)


def _action(text: str, ask: CameraAsk) -> Action:
    raise BadRequest(f"unknown action {text!r} of the loop {ask.name!r}", "this agent has none yet")


OPENERS = Openers(_frames, _converter, _action)
