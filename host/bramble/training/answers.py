"""A teacher's answers, asked once and looked up ever after (fast knowledge distillation: Shen & Xing 2022, 2112.01528).

Where pictures are only shifted, by whole pixels, there are few variants of each, and a teacher says the same of a
variant every time. So its logits are kept: for training pictures in every variant, for held-out ones as they are. A
student then learns about as fast as without a teacher, from the very numbers that it would have been told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.datasets.types import Dataset, Images
from bramble.training.front import rescaling
from bramble.training.shift import Shift
from bramble.training.softmax import logits
from bramble.tuning import Augment
from bramble_agent.wire import Pixels

MOST_BYTES = 256 << 20
BATCH = 512
SHIFTED = {"shift"}


def variants(augment: Augment, data: Dataset) -> int | None:
    """How many variants of a training picture there are to ask about; None where they are too many to keep."""
    if augment.model_dump(exclude=SHIFTED) != Augment().model_dump(exclude=SHIFTED):
        return None
    count = (2 * augment.shift + 1) ** 2
    size = 4 * len(data.labels) * (len(data.train) * count + len(data.held_out))
    return count if size <= MOST_BYTES else None


def ask(
    teacher: keras.Model, most: int, data: Dataset, pixels: Pixels, on_share: Callable[[float], None]
) -> NDArray[np.float32]:
    """The teacher's logits, float32 [training pictures · variants + held-out pictures, classes].

    Those of training picture i in variant v (of ``Shift(most)``) are row i · variants + v. ``on_share`` hears how much
    is done, 0 to 1.
    """
    shift, real = Shift(most), rescaling(pixels)
    answers = np.empty((len(data.train), shift.count, len(data.labels)), np.float32)
    for variant in range(shift.count):
        for part, pictures in _batches(data.train):
            moved = shift.moved(real(pictures), np.full(len(pictures), variant, np.int32))
            answers[part, variant] = logits(teacher, teacher(moved, training=False))
        on_share((variant + 1) / shift.count)
    held_out = [logits(teacher, teacher(real(pictures), training=False)) for _, pictures in _batches(data.held_out)]
    return np.concatenate([answers.reshape(-1, len(data.labels)), *map(np.asarray, held_out)])


def _batches(images: Images) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        yield part, images.pixels[part]
