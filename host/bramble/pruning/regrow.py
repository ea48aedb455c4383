"""Masks whose weights live on: pruned weights keep learning and may come back (Guo, Yao, Chen 2016, 1608.04493).

    the forward pass sees w·m;   w ← w − rate·∂L/∂(w·m), all of w;   m follows the scores of the unmasked w

Dynamic Network Surgery has two thresholds a < b, between which a mask stays as it is, so that weights near the
threshold do not flicker. With a density to keep, the same is a factor: a pruned weight comes back only where its score
is MARGIN times that of a kept one, whose place it takes. Over the last SETTLED of the steps the masks rest, so that the
survivors settle; in the end the pruned weights are zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np

from bramble.held.masks import Masked, Masks, Scores, open_mask, put
from bramble.held.seen import seen_through

MARGIN = 1.1
SETTLED = 0.2


@contextmanager
def regrowing(layers: Sequence[keras.Layer]) -> Iterator[list[Masked]]:
    """While inside, the layers multiply by kernel · mask (all ones at first) and all weights learn; zeros come after.

    Set the masks with ``masks.set_masks``, which leaves the kernels alone.
    """
    held = [open_mask(layer) for layer in layers]
    with seen_through(layers, [partial(_through, one.mask) for one in held]):
        yield held
    put(held, [np.asarray(one.mask).astype(bool) for one in held])


def with_margin(scores: Scores, masks: Masks) -> Scores:
    """The scores, MARGIN times as high where the masks keep."""
    return [np.where(mask, MARGIN * score, score) for score, mask in zip(scores, masks, strict=True)]


def _through(mask: keras.Variable, kernel: Any) -> Any:
    return kernel * keras.ops.cast(mask, kernel.dtype)
