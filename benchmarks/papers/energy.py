"""Energy of fetching weights, by the 45 nm table that Han et al. 2015 (1506.02626, Table 1) take from Horowitz 2014.

    energy = (weights + fillers) · (bits of a weight + bits of its index) / 32 · picojoules of a 32-bit fetch

A sparse layer is stored as its non-zero weights in order, each with the distance from the one before. A distance has 5
bits in dense layers and 8 in convolutions (section 5 of the paper); past a gap of 32 or 256 a zero is stored as a
filler (Deep Compression, 1510.00149, Fig. 2). What a chip of that kind would spend on weights alone; no measurement of
ours, and no board of today.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bramble.tflite import WEIGHTED, Graph

PICOJOULES = {
    "int32 add": 0.1,
    "float32 add": 0.9,
    "register": 1.0,
    "int32 multiply": 3.1,
    "float32 multiply": 3.7,
    "SRAM": 5.0,
    "DRAM": 640.0,
}
DENSE_BITS, CONVOLUTION_BITS = 5, 8


@dataclass(frozen=True)
class Stored:
    """A sparse layer in memory: non-zero weights, fillers between them, bits of an index, non-zero biases."""

    weights: int
    fillers: int
    index_bits: int
    biases: int

    def joules(self) -> float:
        """Joules to fetch it once from DRAM with 32-bit values; biases have no index."""
        return joules(self.weights + self.fillers, 32 + self.index_bits) + joules(self.biases)


def stored(graph: Graph) -> list[Stored]:
    """The layers of a shipped file, each kernel flattened as it stands there."""
    layers = []
    for node in graph.nodes:
        kernel = graph.tensors[node.inputs[1]].value if node.name in WEIGHTED else None
        if kernel is None:
            continue
        bits = DENSE_BITS if node.name == "FULLY_CONNECTED" else CONVOLUTION_BITS
        bias = graph.tensors[node.inputs[2]].value if len(node.inputs) > 2 and node.inputs[2] >= 0 else None
        biases = 0 if bias is None else int(np.count_nonzero(bias))
        layers.append(Stored(int(np.count_nonzero(kernel)), fillers(kernel, bits), bits, biases))
    return layers


def fillers(kernel: NDArray[Any], bits: int) -> int:
    """How many zeros a relative index of so many bits must store: one for each 2^bits that a distance goes past.

    The first weight's distance counts from before the kernel; after the last weight nothing is stored.
    """
    places = np.flatnonzero(kernel.ravel())
    return int(((np.diff(places, prepend=-1) - 1) // 2**bits).sum())


def joules(weights: int, bits: int = 32, memory: str = "DRAM") -> float:
    """Joules to fetch ``weights`` weights of so many bits, index included, once."""
    return weights * bits / 32 * PICOJOULES[memory] * 1e-12


def watts(weights: int, per_second: float) -> float:
    """Watts to fetch that many 32-bit weights from DRAM so many times a second.

    The paper's example: a billion connections at 20 Hz take 12.8 W.
    """
    return joules(weights) * per_second
