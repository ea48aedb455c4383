"""From the few numbers that a layer's weights share to the int8 that each channel's scale makes of them.

Shared weights (Han et al., "Deep Compression", 2016) are equal as real numbers, not as integers: each channel of the
.tflite has its own scale. So a level is a real weight, level · step, and its integer is round(level · step / scale),
computed with float64, whose division and rounding IEEE 754 fixes on every machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def real(word: int) -> float:
    """The float32 whose bits are this number."""
    return float(np.array([word & 0xFFFFFFFF], dtype=np.uint32).view(np.float32)[0])


def integers(levels: NDArray[np.int64], step: int, scales: Optional[NDArray[np.uint32]]) -> NDArray[np.int64]:
    """The integers [channels, levels] that the levels are in channels of these scales (bits of float32).

    [1, levels] without scales: the levels themselves. Raises ValueError where a scale is no number above 0.
    """
    if scales is None or not step:
        return np.clip(levels[None], -128, 127)
    wide = scales.view(np.float32).astype(np.float64)
    size = real(step)
    if not (np.all(np.isfinite(wide)) and np.all(wide > 0) and np.isfinite(size)):
        raise ValueError("a part has no sense")
    return np.asarray(np.clip(np.rint(levels * size / wide[:, None]), -128, 127).astype(np.int64))
