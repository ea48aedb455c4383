"""How much of the picture changed, at low resolution: a frame without motion need not be looked at.

The picture's green (or grey) values are averaged in at most 32 × 32 blocks, so that noise of single pixels cancels; a
block counts as changed where its mean moved by more than LEVELS of 255. Compared is with the last frame that was let
through, not the last one that came: what moves slowly adds up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BLOCKS = 32
LEVELS = 10.0


class Motion:
    """Lets frames through whose share of changed blocks is at least ``share``; the first one always."""

    def __init__(self, share: float) -> None:
        """``share`` in 0..1; 0 lets everything through."""
        self._share = share
        self._held: NDArray[Any] | None = None
        self.changed = 1.0  # of the last frame

    def lets(self, pixels: NDArray[np.uint8]) -> bool:
        """Whether this frame (uint8 [height, width, channels]) is let through, and then the one to compare with."""
        if self._share <= 0.0:
            return True
        now = blocks(pixels)
        if self._held is None or self._held.shape != now.shape:
            self._held, self.changed = now, 1.0
            return True
        self.changed = float(np.mean(np.abs(now - self._held) > LEVELS))
        if self.changed < self._share:
            return False
        self._held = now
        return True


def blocks(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Means over equal blocks, at most 32 × 32 of them; what is left over at the right and below is not looked at."""
    plane = pixels[..., pixels.shape[-1] // 2]
    high, wide = (-(-side // MOST_BLOCKS) for side in plane.shape)
    rows, columns = plane.shape[0] // high, plane.shape[1] // wide
    cut = plane[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
    sums: NDArray[np.float64] = cut.sum(axis=(1, 3), dtype=np.uint32) / float(high * wide)
    return sums
