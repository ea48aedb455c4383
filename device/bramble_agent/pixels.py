"""From a picture to the model's input, the same on host and board: that is what makes accuracies comparable.

A pixel p in 0..255 stands for the real value low + p·(high − low)/255; a quantized input holds
round(real/scale) + zero_point. Both depend on p alone, so a table of 256 entries *is* the preprocessing: exact, and one
``take`` a frame.
"""

from __future__ import annotations

import struct
import zlib
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from .wire import Pixels, TensorSpec

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL.Image import Image

CHANNELS = {"gray": 1, "rgb": 3}
# what Pillow's decoders let through, besides their own OSError, when a file is damaged
DAMAGE = (SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, struct.error, zlib.error)


def table(how: Pixels, tensor: TensorSpec) -> NDArray[Any]:
    """The 256 input values, in ``tensor``'s dtype, that the pixel values 0..255 become."""
    real = how.low + np.arange(256, dtype=np.float64) * ((how.high - how.low) / 255.0)
    kind = np.dtype(tensor.dtype)
    if kind.kind == "f":
        return real.astype(kind)
    limits = np.iinfo(kind)
    steps = np.round(real / (tensor.scale or 1.0)) + tensor.zero_point  # an unquantized integer holds round(real)
    return np.clip(steps, limits.min, limits.max).astype(kind)


def to_input(pictures: NDArray[np.uint8], lookup: NDArray[Any]) -> NDArray[Any]:
    """Pictures (any shape, uint8) as the model's input values, through a ``table``."""
    return np.take(lookup, pictures)


def open_picture(source: str | Path | IO[bytes], how: Pixels) -> NDArray[np.uint8]:
    """Decode a picture to uint8 [height, width, channels], upright, in the model's colours and size.

    Handles EXIF rotation, grayscale, palette, CMYK, 16 bit and transparency (laid on white).
    Raises OSError (Pillow's) for a damaged or unknown file.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(source) as opened:
            if opened.format == "JPEG":  # decode at a fraction of the size where the file allows it
                opened.draft(None, (2 * how.width, 2 * how.height))
            picture = ImageOps.exif_transpose(opened)
            picture.load()
    except (*DAMAGE, Image.DecompressionBombError) as error:
        raise OSError(f"damaged picture: {error}") from error
    return to_array(picture, how)


def to_array(picture: Image, how: Pixels) -> NDArray[np.uint8]:
    """A decoded Pillow picture as uint8 [height, width, channels] in the model's colours and size."""
    plain = _fit(_flatten(picture).convert("L" if how.color == "gray" else "RGB"), how)
    return np.asarray(plain, dtype=np.uint8).reshape(how.height, how.width, CHANNELS[how.color])


def _flatten(picture: Image) -> Image:
    """Without transparency, in 8 bits a channel."""
    from PIL import Image

    if picture.mode.startswith("I;16") or picture.mode == "I":
        return Image.fromarray((np.asarray(picture).clip(0, 65535) / 257.0).round().astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        colour = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colour.size, "white"), colour).convert("RGB")
    return picture


def _fit(picture: Image, how: Pixels) -> Image:
    from PIL import Image, ImageOps

    size = (how.width, how.height)
    if picture.size == size:
        return picture
    if how.fit == "crop":
        return ImageOps.fit(picture, size, Image.Resampling.BILINEAR)
    if how.fit == "pad":
        return ImageOps.pad(picture, size, Image.Resampling.BILINEAR)
    return picture.resize(size, Image.Resampling.BILINEAR)
