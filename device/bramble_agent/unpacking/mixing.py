"""Bits predicted by several contexts at once, mixed in the logistic domain: for what is small and must be smallest.

Each context's table holds how often a 1 followed it (an adaptive probability); their log-odds are summed with weights
that learn which contexts are to be trusted, and how often they must have been seen before they are:

    p = squash(Σᵢ wᵢ[nᵢ] · stretch(pᵢ)),    wᵢ[nᵢ] += η · stretch(pᵢ) · (bit − p)

(Mahoney, "Adaptive weighing of context models for lossless data compression", 2005: PAQ). Whole numbers throughout, so
that every machine computes the same. About 6 µs a bit on a desktop: some ten thousand bits, no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, Sequence

from .logistic import END, ONE, SQUASH, STRETCH

if TYPE_CHECKING:
    from .range_decoder import Coder

COST = 24  # units of a coder's budget for a bit
SEEN = 24  # occurrences that are told apart; more make a table slower to learn
RATE = [ONE * 2 // (2 * n + 3) for n in range(SEEN + 1)]
TRUST = [min(n, 3) + (n > 6) + (n > 15) for n in range(SEEN + 1)]  # which of a context's weights
LEARN = 30


class Mixer:
    """Predicts bits from ``inputs`` contexts; ``limit`` is how slow its tables become (1/limit a step at last)."""

    def __init__(self, inputs: int, limit: int = SEEN) -> None:
        first = ONE * 13 // (10 * inputs)
        self._tables: List[Dict[int, Dict[int, List[int]]]] = [{} for _ in range(inputs)]
        self._weights = [[0] + [first * (k + 3) // 6 for k in range(1, 6)] for _ in range(inputs)]
        self._limit = limit

    def bit(self, coder: Coder, contexts: Sequence[int], bit: int = 0) -> int:
        """Code one bit; ``contexts`` are whole numbers, one for each input."""
        return self._bit(coder, self._chosen(contexts), 0, bit)

    def number(self, coder: Coder, contexts: Sequence[int], width: int, value: int = 0) -> int:
        """Code a number of ``width`` bits, from the highest on, each in the context of those before."""
        coder.spend(COST * width)
        chosen = self._chosen(contexts)
        node = 1
        for shift in range(width - 1, -1, -1):
            node = node * 2 + self._bit(coder, chosen, node, value >> shift & 1)
        return node - (1 << width)

    def _chosen(self, contexts: Sequence[int]) -> List[Dict[int, List[int]]]:
        chosen = []
        for table, context in zip(self._tables, contexts):
            held = table.get(context)
            if held is None:
                held = table[context] = {}
            chosen.append(held)
        return chosen

    def _bit(self, coder: Coder, chosen: List[Dict[int, List[int]]], node: int, bit: int) -> int:
        used, mixed = [], 0
        for held, weights in zip(chosen, self._weights):
            slot = held.get(node)
            if slot is None:
                slot = held[node] = [ONE >> 1, 0]
            odd, trust = STRETCH[slot[0] >> 4], TRUST[slot[1]]
            mixed += weights[trust] * odd
            used.append((slot, odd, weights, trust))
        mixed >>= 16
        p = SQUASH[(mixed if -END < mixed < END else END if mixed > 0 else -END) + END]
        bit = coder.bit(p, bit)
        aim = ONE - 1 if bit else 0
        wrong = (aim - p) * LEARN
        for slot, odd, weights, trust in used:
            if odd:
                weights[trust] += odd * wrong >> 20
            seen = slot[1]
            slot[0] += (aim - slot[0]) * RATE[seen] >> 16
            if seen < self._limit:
                slot[1] = seen + 1
        return bit
