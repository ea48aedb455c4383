"""Pictures moved by whole pixels, their border repeated: the augmentation of which there are only few variants."""

from __future__ import annotations

from typing import Any

import keras

ops = keras.ops


class Shift(keras.layers.Layer):  # type: ignore[misc]
    """Moves each picture of a batch by up to ``most`` pixels down or up and right or left, in training only.

    Variant v of the (2·most + 1)² moves a picture by v // side − most rows and v % side − most columns.
    """

    def __init__(self, most: int, **given: Any) -> None:
        super().__init__(**given)
        self.most, self.side = most, 2 * most + 1
        self.count = self.side**2
        self._seeds = keras.random.SeedGenerator()
        self.built = True

    def call(self, pictures: Any, training: bool = False) -> Any:
        """The pictures [N, height, width, channels], moved at random while training."""
        return self.moved(pictures, self.drawn(pictures)) if training else pictures

    def drawn(self, pictures: Any) -> Any:
        """A variant for each picture, at random: int32 [N]."""
        return keras.random.randint((ops.shape(pictures)[0],), 0, self.count, "int32", seed=self._seeds)

    def moved(self, pictures: Any, variants: Any) -> Any:
        """The pictures, each as its variant (int32 [N]) has it."""
        count, height, width, channels = ops.shape(pictures)
        rows = self._from(variants // self.side, height)
        columns = self._from(variants % self.side, width)
        of = ops.arange(count, dtype="int32")[:, None, None]
        place = (of * height + rows[:, :, None]) * width + columns[:, None, :]
        return ops.take(ops.reshape(pictures, (-1, channels)), place, axis=0)

    def _from(self, offset: Any, length: int) -> Any:
        """Where each row (or column) comes from, int32 [N, length]: those beyond the border repeat it."""
        return ops.clip(ops.arange(length, dtype="int32")[None] - (offset[:, None] - self.most), 0, length - 1)
