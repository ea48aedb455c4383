"""Small videos made by PyAV, of pictures that say which frame they are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = [40 + 9 * at for at in range(20)]


def picture(level: int, height: int, width: int) -> NDArray[np.uint8]:
    """A grey of this level with a darker left quarter."""
    shown = np.full((height, width, 3), level, np.uint8)
    shown[:, : width // 4] //= 2
    return shown


def write(
    path: Path, codec: str, pixels: str, size: tuple[int, int] = (64, 48), levels: Any = LEVELS, **how: Any
) -> Path:
    """A video of one frame a level, 10 a second; ``size`` is (width, height), ``how`` the codec's options."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"g": "5", "bf": "0", **how})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.time_base = Fraction(1, 10)
        for at, level in enumerate(levels):
            frame = av.VideoFrame.from_ndarray(picture(level, size[1], size[0]), format="rgb24").reformat(format=pixels)
            frame.pts = at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
