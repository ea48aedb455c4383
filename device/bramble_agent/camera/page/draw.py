"""A frame with what was seen in it, as a JPEG: boxes where the model tells places, else the best label.

What reaches its threshold has a colour, the rest is grey.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any
from zlib import crc32

from ...wire import Pixels
from ..convert import Converter
from ..event import Box, Prediction, Sight
from ..frame import Format, Frame

if TYPE_CHECKING:
    from ...wire_camera import Decide

SMALLEST, LARGEST = 480, 640  # of the longer side
QUALITY = 75
LETTERS = 40
COLOURS = ("#d6336c", "#2b8a3e", "#1971c2", "#e8590c", "#6741d9", "#0b7285", "#a61e4d", "#5c940d")
GREY, WHITE = "#495057", "#ffffff"
FONTS = ("DejaVuSans-Bold.ttf", "DejaVuSans.ttf")


def size_of(form: Format) -> tuple[int, int]:
    """(width, height) of the preview: that of the frame within bounds; one of the model's size would hide its label."""
    longer = max(form.width, form.height)
    scale = min(max(longer, SMALLEST), LARGEST) / longer
    return max(1, round(form.width * scale)), max(1, round(form.height * scale))


class Painter:
    """Paints frame after frame; for one thread."""

    def __init__(self) -> None:
        """Everything is made with the first frame."""
        self._form: Format | None = None
        self._size = (0, 0)
        self._fonts: dict[int, Any] = {}

    def jpeg(self, frame: Frame, told: Prediction, how: Decide) -> bytes:
        """The picture. Raises FrameDamaged."""
        from PIL import Image, ImageDraw

        if frame.format != self._form:
            self._form, self._size = frame.format, size_of(frame.format)
            self._converter = Converter(Pixels(self._size[1], self._size[0], "rgb"))
        picture = Image.fromarray(self._converter.pixels(frame))
        brush = ImageDraw.Draw(picture)
        for one in reversed(told.sights):  # the best on top
            if one.box is not None and _enough(one, how):
                self._tag(brush, one, self._outline(brush, one.label, one.box), colour_of(one.label))
        if told.sights and told.sights[0].box is None:
            best = told.sights[0]
            colour = colour_of(best.label) if _enough(best, how) else GREY
            self._tag(brush, best, (0, self._size[1]), colour)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=QUALITY)
        return file.getvalue()

    def _outline(self, brush: Any, label: str, box: Box) -> tuple[int, int]:
        """Draw a box; its upper left corner."""
        width, height = self._size
        left, right = sorted((_place(box.left, width), _place(box.right, width)))
        top, bottom = sorted((_place(box.top, height), _place(box.bottom, height)))
        brush.rectangle((left, top, right, bottom), outline=colour_of(label), width=3)
        return left, top

    def _tag(self, brush: Any, one: Sight, at: tuple[int, int], colour: str) -> None:
        """A label with its score on a patch whose lower left corner is ``at``, moved to where it is whole."""
        font = self._font(max(13, self._size[1] // 22))
        text = _writable(f"{one.label[:LETTERS]} {one.score:.0%}", font)
        left, top, right, bottom = brush.textbbox((0, 0), text, font=font)
        wide, high = int(right - left) + 14, int(bottom - top) + 10
        x = max(0, min(at[0], self._size[0] - wide))
        y = max(0, min(at[1], self._size[1]) - high)
        brush.rectangle((x, y, x + wide, y + high), fill=colour)
        brush.text((x + 7 - left, y + 5 - top), text, fill=WHITE, font=font)

    def _font(self, size: int) -> Any:
        if size not in self._fonts:
            self._fonts[size] = _loaded(size)
        return self._fonts[size]


def colour_of(label: str) -> str:
    """A label's colour: always the same one."""
    return COLOURS[crc32(label.encode("utf-8", "replace")) % len(COLOURS)]


def _enough(one: Sight, how: Decide) -> bool:
    return one.score >= how.thresholds.get(one.label, how.threshold)


def _place(share: float, side: int) -> int:
    return round(min(1.0, max(0.0, share)) * (side - 1))


def _loaded(size: int) -> Any:
    """A font that this board has: one with accents, Pillow's own, or (before Pillow 10.1) its small one."""
    from PIL import ImageFont

    for name in FONTS:
        try:
            return ImageFont.truetype(name, size)
        except (OSError, ImportError):
            continue
    try:
        return ImageFont.load_default(size)
    except (TypeError, ImportError):
        return ImageFont.load_default()


def _writable(text: str, font: Any) -> str:
    """Without what the font cannot be asked for: Pillow's small one has Latin letters only."""
    plain = "".join(sign if sign.isprintable() else "?" for sign in text)
    return plain if hasattr(font, "getmask2") else plain.encode("latin-1", "replace").decode("latin-1")
