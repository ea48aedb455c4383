"""Energy of fetching weights, by the 45 nm table that Han et al. 2015 (1506.02626, Table 1) take from Horowitz 2014.

    energy = weights · (bits of a weight + bits of its index) / 32 · picojoules of a 32-bit fetch

What a chip of that kind would spend on weights alone; no measurement of ours, and no board of today.
"""

from __future__ import annotations

PICOJOULES = {
    "int32 add": 0.1,
    "float32 add": 0.9,
    "register": 1.0,
    "int32 multiply": 3.1,
    "float32 multiply": 3.7,
    "SRAM": 5.0,
    "DRAM": 640.0,
}
INDEX_BITS = 5  # the relative index of Han's dense layers; convolutions take 8


def joules(weights: int, bits: int = 32, memory: str = "DRAM") -> float:
    """Joules to fetch ``weights`` weights of so many bits, index included, once."""
    return weights * bits / 32 * PICOJOULES[memory] * 1e-12


def watts(weights: int, per_second: float) -> float:
    """Watts to fetch that many 32-bit weights from DRAM so many times a second.

    The paper's example: a billion connections at 20 Hz take 12.8 W.
    """
    return joules(weights) * per_second
