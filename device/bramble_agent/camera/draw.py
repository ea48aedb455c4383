"""A label, its score and its box drawn onto a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Iterable

from .event import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLOUR, PAPER = (255, 220, 0), (0, 0, 0)


def drawn(picture: NDArray[Any], marks: Iterable[tuple[str, Box | None]]) -> Any:
    """A Pillow image of ``picture`` (uint8 [height, width, 3] RGB), each text at its box, or in the corner."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    line = max(1, min(image.size) // 200)
    corner = 0
    for text, box in marks:
        plain = text.encode("ascii", "replace").decode("ascii")  # all that the built-in font has everywhere
        x, y = 0, corner
        if box is None:
            corner += 12
        else:
            x, y, right, bottom = _pixels(box, image.size)
            pen.rectangle((x, y, right, bottom), outline=COLOUR, width=line)
        place = pen.textbbox((x, y), plain)
        pen.rectangle((place[0], place[1], place[2] + 2, place[3] + 2), fill=PAPER)
        pen.text((x + 1, y), plain, fill=COLOUR)
    return image


def _pixels(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom within the picture, in this order whatever the model said."""
    width, height = size

    def within(share: float, most: int) -> int:
        return int(min(max(share if math.isfinite(share) else 0.0, 0.0), 1.0) * (most - 1))

    left, right = sorted((within(box.left, width), within(box.right, width)))
    top, bottom = sorted((within(box.top, height), within(box.bottom, height)))
    return left, top, right, bottom
