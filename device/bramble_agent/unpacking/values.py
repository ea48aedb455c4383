"""The values of a sparse matrix where it is not zero, each in the context of its surroundings.

A value is a number below ``2**width``: an index into a codebook, or an int8 with its sign in front. Contexts: the
output channel and how fine its scale is, the channel's last value, and the values beside it (at the distances of
``positions``), which in filters of pictures have mostly its sign. A channel's scale is its largest weight's, so one of
its weights has the full size ("loud"): whether it came yet, and how many weights are left to be it, tells a lot where
few are left over. ``bramble_agent.unpacking.mixing`` weighs all this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Tuple

import numpy as np

from .logistic import ONE
from .mixing import Mixer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .range_decoder import Coder

INPUTS = 7
MIXED, MANY = 6, 8192  # of so many values only the leading bits are predicted: the others are noise, and take time
OPEN = 4  # leading bits of a value that are told to its neighbours


@dataclass(frozen=True)
class Setting:
    """What is known before: ``channel`` of each value in order; ``finesse`` and loud symbols of each channel."""

    width: int
    near: Tuple[int, ...]
    channels: Sequence[int]
    finesse: Sequence[int]
    loud: Sequence[frozenset[int]]


def code(
    coder: Coder, flags: NDArray[np.bool_], setting: Setting, given: Optional[NDArray[np.int64]] = None
) -> NDArray[np.int64]:
    """Code a number of ``width`` bits for each of the flags [lines, cells] that is set, in their order."""
    mixer = Mixer(INPUTS)
    plain = max(0, setting.width - MIXED) if len(setting.channels) > MANY else 0
    coarse = max(0, setting.width - OPEN)
    left = np.bincount(np.asarray(setting.channels, dtype=np.intp), minlength=len(setting.finesse)).tolist()
    found: Dict[Tuple[int, int], int] = {}
    last, came = [0] * len(left), [0] * len(left)
    result: List[int] = []
    lines, cells = np.nonzero(flags)
    for i, (line, cell, channel) in enumerate(zip(lines.tolist(), cells.tolist(), setting.channels)):
        beside = [found.get((line - lag, cell), 0) for lag in setting.near] + [0, 0]
        finesse, before = setting.finesse[channel], last[channel]
        other = max(beside[2:], default=0)
        contexts = (
            0,
            finesse,
            channel,
            min(left[channel], 20) << 1 | came[channel],
            beside[0] << 6 | beside[1],
            other << 6 | (beside[0] or beside[1]),
            finesse << 6 | before,
        )
        known = int(given[i]) if given is not None else 0
        value = mixer.number(coder, contexts, setting.width - plain, known >> plain)
        for shift in range(plain - 1, -1, -1):
            value = value * 2 + coder.bit(ONE >> 1, known >> shift & 1)
        found[line, cell] = last[channel] = (value >> coarse) + 1
        left[channel] -= 1
        came[channel] |= value in setting.loud[channel]
        result.append(value)
    return np.array(result, dtype=np.int64)
