"""xxHash32 of many 4-byte keys at once: which bucket and which sign a hashed weight has, alike on host and board.

For an input of four bytes the hash is, modulo 2**32 (xxHash specification 0.1.1, Yann Collet,
github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md; steps 1, 5, 6 and 7 are all that so short an input meets):

    h = seed + P5 + 4;   h = rotl(h + key · P3, 17) · P4
    h = (h ⊕ h≫15) · P2;   h = (h ⊕ h≫13) · P3;   h ⊕ h≫16

HashedNets (Chen et al., "Compressing Neural Networks with the Hashing Trick", 2015) draw weights by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

P2, P3, P4, P5 = (np.uint32(prime) for prime in (2246822519, 3266489917, 668265263, 374761393))


def xxh32(keys: NDArray[np.uint32], seed: int) -> NDArray[np.uint32]:
    """xxHash32 of each key's four little-endian bytes; keys of any shape, ``seed`` modulo 2**32."""
    held = np.asarray(keys, dtype=np.uint32)
    start = np.array((seed + int(P5) + 4) & 0xFFFFFFFF, dtype=np.uint32)
    mixed = held * P3 + start
    mixed = (mixed << np.uint32(17) | mixed >> np.uint32(15)) * P4
    mixed = (mixed ^ mixed >> np.uint32(15)) * P2
    mixed = (mixed ^ mixed >> np.uint32(13)) * P3
    return np.asarray(mixed ^ mixed >> np.uint32(16), dtype=np.uint32)
