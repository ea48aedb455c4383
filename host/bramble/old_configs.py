"""Layers as Keras 2 wrote them into .h5 files, for Keras 3 to read.

Keras 2 wrote ``groups: 1`` for every layer that came of its convolution, also for those that never had groups; Keras 3
refuses the word for them. It says nothing, so it is dropped. Other numbers of groups mean something and are left. A
.keras file names its layers in full, so Keras asks nobody how to read them: none of those is helped here.
"""

from __future__ import annotations

from typing import Any

import keras

layers = keras.layers
UNGROUPED = (
    layers.Conv1DTranspose,
    layers.Conv2DTranspose,
    layers.Conv3DTranspose,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
)


def old_layers() -> dict[str, Any]:
    """By name, what reads a layer's config in its place and gives the plain layer: Keras' ``custom_objects``."""
    return {kind.__name__: _reader(kind) for kind in UNGROUPED}


def _reader(kind: Any) -> Any:
    def from_config(_: Any, config: dict[str, Any]) -> Any:
        return kind.from_config({key: value for key, value in config.items() if (key, value) != ("groups", 1)})

    return type(kind.__name__, (kind,), {"from_config": classmethod(from_config)})
