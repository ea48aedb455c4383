"""Where a sparse matrix is not zero: flag by flag, each predicted from what is known of its surroundings.

The matrix is walked in lines; of every cell of a line it is told by logistic regression on four log-odds:

    p = squash(w₀ + w₁ cell + w₂ recently + w₃ line + w₄ near)

``cell``: how often this cell was set in all lines before (a neuron that was pruned less); ``recently``: the same, the
latest lines counting more; ``line``: how full the lines at the distances ``near`` were (inputs of one picture are
alike); ``near``: how often a cell was set whose neighbours at these distances and at ``far`` were set like this one's.
The lines of a layer that reads pictures row by row are near to each other at 1 and at a row's length. The weights
w (in 1/32) are fitted by the encoder and travel with the code. All cells of a line are predicted at once in NumPy.

Source of the parts: context modelling of significance maps as in CABAC (Marpe et al. 2003) and DeepCABAC (Wiedemann et
al. 2019), neighbours as in JBIG2; the mixing of log-odds as in PAQ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, List, Optional, Tuple

import numpy as np

from .logistic import END, LOG2, ONE, SQUASH_ARRAY, UNIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .range_decoder import Coder

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

FEATURES = 5
STEP = 5  # weights are in 1/32
LINE_COST = 400  # of a coder's budget, as NumPy is called for every line


@dataclass(frozen=True)
class Outline:
    """What is known of the matrix: its lines and their width, how many cells are set, which lines are neighbours."""

    lines: int
    width: int
    count: int
    near: Tuple[int, ...] = ()
    far: Tuple[int, ...] = ()


class Surroundings:
    """What the lines so far tell of the next one."""

    def __init__(self, outline: Outline) -> None:
        self.outline = outline
        size = max(1, outline.lines * outline.width)
        self._prior = 1 + outline.count * 4096 // size
        self._mean = outline.count * 64 // max(1, outline.lines)
        self._past: List[Ints] = []
        self._full: List[int] = []
        self._ones = np.zeros(outline.width, dtype=np.int64)
        self._recent = np.full(outline.width, outline.count * (1 << 20) // size, dtype=np.int64)
        self._table = np.zeros((256, 2), dtype=np.int64)
        self._pattern = np.zeros(outline.width, dtype=np.int64)

    def features(self) -> Ints:
        """The log-odds [5, width] of the next line, the first row constant."""
        outline, known = self.outline, len(self._past)
        zeros = known - self._ones
        cell = _log2(self._ones * 4096 + self._prior) - _log2(zeros * 4096 + 4096)
        recent = _log2(self._recent + 256) - _log2((1 << 20) - self._recent + 256)
        full = [self._full[-lag] * 64 if lag <= known else self._mean for lag in outline.near] or [self._mean]
        line = _log2(np.array(sum(full) + 24, dtype=np.int64)) - _log2(
            np.array(len(full) * outline.width * 64, dtype=np.int64)
        )
        self._pattern = self._patterns()
        seen = self._table[self._pattern]
        near = _log2(seen[:, 1] * 4096 + self._prior) - _log2(seen[:, 0] * 4096 + 4096)
        constant = np.full(outline.width, UNIT, dtype=np.int64)
        return np.stack([constant, cell, recent, np.broadcast_to(line, cell.shape), near])

    def learn(self, flags: Ints) -> None:
        """Take in the line that ``features`` were asked for."""
        self._past.append(flags)
        self._full.append(int(flags.sum()))
        self._ones += flags
        self._recent += (flags << 20) - self._recent >> 4
        self._table += np.bincount((self._pattern * 2 + flags).astype(np.intp), minlength=512).reshape(256, 2)

    def _patterns(self) -> Ints:
        """For each cell a number below 256: its first two neighbours, how many of the others, how many further ones."""
        known, near = len(self._past), self.outline.near
        none = np.zeros(self.outline.width, dtype=np.int64)
        held = [self._past[-lag] if lag <= known else none for lag in near]
        far = sum((self._past[-lag] for lag in self.outline.far if lag <= known), none)
        first = (held[0] if held else none) * 2 + (held[1] if len(held) > 1 else none)
        return np.asarray((first * 8 + np.minimum(sum(held[2:], none), 7)) * 8 + np.minimum(far, 7))


def code(coder: Coder, outline: Outline, weights: Tuple[int, ...], given: Optional[Flags] = None) -> Flags:
    """Code the flags [lines, width]."""
    coder.spend(outline.lines * (outline.width + LINE_COST))
    around = Surroundings(outline)
    found = np.zeros((outline.lines, outline.width), dtype=np.bool_)
    factors = np.array(weights, dtype=np.int64)
    for number in range(outline.lines):
        ps = probabilities(around.features(), factors).tolist()
        flags = coder.flags(ps, given[number].tolist() if given is not None else ())
        found[number] = flags
        around.learn(np.array(flags, dtype=np.int64))
    return found


def probabilities(features: Ints, weights: Ints) -> Ints:
    """The probabilities, in units of 1/65536, that the weights make of features."""
    odds = np.clip(np.tensordot(weights, features, 1) >> STEP, -END, END)
    return np.asarray(SQUASH_ARRAY[odds + END])


def _log2(numbers: Ints) -> Ints:
    """Of numbers below 2**31, in units of 1/256."""
    big = numbers >= ONE
    return np.asarray(np.where(big, LOG2[np.minimum(numbers >> 15, ONE)] + 15 * UNIT, LOG2[np.minimum(numbers, ONE)]))
