"""Optimal brain surgeon, layer by layer: remove the weights whose loss the others can make up for best.

    H = XᵀX/n + λI     saliency of w_q: w_q² / (2·[H⁻¹]_qq)     survivors S: w_S ← H_SS⁻¹·H_S:·w

Hassibi & Stork 1993; by layers, with the squared error of a layer's output for the loss: Dong et al. 2017, 1705.07565;
with the inverse brought down to the survivors as weights go: Frantar & Alistarh 2022, 2208.11580. X are a layer's
inputs on training pictures (patches for convolutions, each channel by itself for depthwise ones), λ is DAMPING of H's
mean diagonal. All units of a layer share H; each has its own survivors.

A unit's weights go in rounds, a SHARE of those left in each, so that 784 inputs take about 25 matrix products and not
784; with few left it is one at a time, the exact surgeon. A weight's score is the saliency it had when it went, or that
of an earlier one if higher, so that whatever threshold is chosen later cuts each unit's own order.

X are the inputs in the model as it was trained, not as pruned so far: all layers are ranked together before any of them
is cut, and the fine-tuning after it sees the pruned ones. Biases stay. A layer that is used more than once is judged by
its first use.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.datasets.types import Images
from bramble.held.masks import Masks, Scores
from bramble.training.front import front
from bramble.tuning import Augment
from bramble_agent.wire import Pixels

DAMPING = 0.01
SHARE = 0.2  # of a unit's weights that are left, in each round
ROWS = 65_536  # inputs of a layer that count; a convolution has one at each position
BATCH = 64
TIE = 1e-9
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Surgeon:
    """Layers of a model, each with its H: one [inputs, inputs] matrix a group of units that share inputs."""

    layers: list[keras.Layer]
    hessians: list[Array]

    @classmethod
    def of(cls, model: keras.Model, layers: list[keras.Layer], images: Images, pixels: Pixels) -> Surgeon:
        """The layers' H over ``images`` as the model is now."""
        before = front(Augment(), pixels)
        taps = keras.Model(model.input, [layer.input for layer in layers])
        batches = math.ceil(len(images) / BATCH)
        generator = np.random.default_rng(1)
        sums = [np.zeros((groups, inputs, inputs)) for inputs, groups in map(_fan, layers)]
        counts = [0] * len(layers)
        for start in range(0, len(images), BATCH):
            seen = taps(before(images.pixels[start : start + BATCH]), training=False)
            seen = seen if isinstance(seen, list) else [seen]  # Keras gives a lone one bare
            for number, (layer, value) in enumerate(zip(layers, seen, strict=True)):
                rows = unfolded(layer, value)
                most = math.ceil(ROWS / batches)
                if rows.shape[1] > most:
                    rows = rows[:, generator.choice(rows.shape[1], most, replace=False)]
                sums[number] += np.matmul(rows.transpose(0, 2, 1), rows)
                counts[number] += rows.shape[1]
        return cls(layers, [_damped(total / count) for total, count in zip(sums, counts, strict=True)])

    def saliencies(self, alive: Masks) -> Scores:
        """What each weight's removal costs, in the order of its unit's surgery; what does not live costs nothing."""
        found = []
        for layer, hessian, lives in zip(self.layers, self.hessians, alive, strict=True):
            weights, living = blocks(layer, np.asarray(layer.kernel, np.float64)), blocks(layer, lives)
            scores = np.zeros_like(weights)
            for group, shared in enumerate(np.linalg.inv(hessian)):
                for unit in range(weights.shape[2]):
                    left = np.flatnonzero(living[group, :, unit])
                    whole = left.size == len(shared)
                    inverse = shared if whole else np.linalg.inv(hessian[group][np.ix_(left, left)])
                    scores[group, left, unit] = removal_costs(weights[group, left, unit], inverse)
            found.append(joined(layer, scores))
        return found

    def compensate(self, layers: Sequence[keras.Layer], masks: Masks) -> None:
        """Zero what the masks (of all the surgeon's layers) remove in ``layers``, and re-solve the survivors."""
        for layer, hessian, mask in zip(self.layers, self.hessians, masks, strict=True):
            if layer not in layers:
                continue
            weights, kept = blocks(layer, np.asarray(layer.kernel, np.float64)), blocks(layer, mask)
            solved = np.zeros_like(weights)
            for group, unit in np.ndindex(weights.shape[0], weights.shape[2]):
                stays = np.flatnonzero(kept[group, :, unit])
                rows = hessian[group][stays]
                solved[group, stays, unit] = np.linalg.solve(rows[:, stays], rows @ weights[group, :, unit])
            layer.kernel.assign(joined(layer, solved))


def removal_costs(weights: Array, inverse: Array) -> Array:
    """The cost of each of one unit's weights [inputs], rising in the order in which they go; ``inverse`` is H⁻¹.

    Removing the set P takes the others by w −= H⁻¹_:P·(H⁻¹_PP)⁻¹·w_P and their inverse by the same term.
    """
    costs, left, floor = np.zeros(len(weights)), np.arange(len(weights)), 0.0
    while left.size:
        loss = np.square(weights) / (2.0 * np.diagonal(inverse))
        count = max(1, int(SHARE * left.size))
        order = np.argsort(loss)
        gone, stays = order[:count], np.sort(order[count:])
        costs[left[gone]] = np.maximum(loss[gone], floor * (1.0 + TIE * np.arange(1, count + 1)))
        floor = costs[left[gone[-1]]]
        across = inverse[np.ix_(gone, stays)]
        taken = np.linalg.solve(inverse[np.ix_(gone, gone)], across)
        weights = weights[stays] - weights[gone] @ taken
        inverse = inverse[np.ix_(stays, stays)] - across.T @ taken
        left = left[stays]
    return costs


def unfolded(layer: keras.Layer, value: Any) -> NDArray[np.float32]:
    """A layer's input as rows that its kernel's blocks multiply: [groups, rows, inputs]."""
    inputs, groups = _fan(layer)
    if isinstance(layer, keras.layers.Dense):
        return np.asarray(value).reshape(1, -1, inputs)
    patches = keras.ops.image.extract_patches(
        value, layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding, "channels_last"
    )
    places = math.prod(layer.kernel_size)
    rows = np.asarray(patches).reshape(-1, places, groups, inputs // places)
    return rows.transpose(2, 0, 1, 3).reshape(groups, -1, inputs)


def blocks(layer: keras.Layer, values: NDArray[Any]) -> NDArray[Any]:
    """What has a kernel's shape as [groups, inputs, units of a group]."""
    return values.reshape(*_fan(layer), -1).transpose(1, 0, 2)


def joined(layer: keras.Layer, values: Array) -> Array:
    """Blocks in the kernel's shape again."""
    return values.transpose(1, 0, 2).reshape(layer.kernel.shape)


def _fan(layer: keras.Layer) -> tuple[int, int]:
    """Inputs of one unit, and groups of units that share them."""
    shape = layer.kernel.shape
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return math.prod(shape[:2]), shape[2]
    return math.prod(shape[:-1]), getattr(layer, "groups", 1)


def _damped(hessians: Array) -> Array:
    """With DAMPING of the mean diagonal added; a group whose inputs are all zeros gets 1."""
    means = np.einsum("gii->g", hessians) / hessians.shape[-1]
    extra = np.where(means > 0, DAMPING * means, 1.0)
    return hessians + extra[:, None, None] * np.eye(hessians.shape[-1])
