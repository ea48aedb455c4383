"""The one exporter: a simulation in, an int8 .tflite out that answers as the simulation does.

Post-training and quantization-aware models come the same way: a plain graph of batch 1 whose kernels lie on the
converter's own grid and whose activations are rounded by fake-quant operations. So the converter has nothing left to
decide, and its integers are ours. What it names and repeats without need is taken out afterwards (``flatbuffer``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.convert import convert_simulation
from bramble.quantization.flatbuffer import compact
from bramble.quantization.fold import fold
from bramble.quantization.grid import Integers, Scales, coarsened, integers, on_grid, reduced_axes, scales
from bramble.quantization.islands import unrounded, without_inner
from bramble.quantization.plain import WEIGHTED
from bramble.quantization.retie import Kernel, as_stored, retie, stored_order
from bramble.quantization.simulate import settled, unchained

HASHED_SHARE, SIGNED = 0.6, 1.2  # values for weights, and how many of them with either sign for each


@dataclass(frozen=True)
class Ready:
    """What the exporter needs: a simulation, and the integers of tied layers (see ``tie``)."""

    simulation: keras.Model
    tied: Mapping[str, Integers]
    kept: tuple[str, ...] = ()  # layers that stay in float


@dataclass(frozen=True)
class Exported:
    """The .tflite, the simulation it was made of (kernels on their grid), and each layer's kernel as it is stored."""

    tflite: bytes
    simulation: keras.Model
    kernels: Mapping[str, Kernel]


def export(
    simulation: keras.Model,
    tied: Mapping[str, Integers] | None = None,
    kept: Collection[str] = (),
    coarse: bool = False,
) -> Exported:
    """Lower a simulation (``simulate``'s, trained or not) to int8.

    ``tied`` gives the integers of layers whose channels share what they are made of (clusters, buckets, signs), as
    ``tie`` gives them. Those of all others follow from their weights. Layers that are ``kept`` stay in float.
    ``coarse`` gives kernels coarse scales (``grid``) and rounds biases. Raises IncompatibleError where the converter
    cannot.
    """
    ready = fold(settled(simulation))
    floats = {name: np.asarray(ready.get_layer(name).kernel) for name in kept}
    kernels = {layer.name: _put_on_grid(layer, (tied or {}).get(layer.name), coarse) for layer in weighted(ready)}
    lowered = convert_simulation(unchained(ready))
    changed = {name: kernels[name] for name in tied or {} if name not in kept}
    lowered = retie(lowered, changed) if changed else lowered
    if kept:
        islands = {name: (kernels.pop(name), *_as_float(ready.get_layer(name), floats[name])) for name in kept}
        lowered, ready = unrounded(lowered, islands), without_inner(ready, islands)
    return Exported(compact(lowered, ready, coarse), ready, kernels)


def weighted(model: keras.Model) -> list[Any]:
    """The layers with kernels, each once."""
    return [layer for layer in model.layers if isinstance(layer, WEIGHTED)]


def few_valued(model: keras.Model, most: int = 256) -> list[str]:
    """The layers whose kernels repeat few values: clustered, hashed, vector-quantized or binary ones.

    Few is up to ``most`` and less than a quarter of the kernel's size. Zeros of a pruning are one value. Hashed kernels
    may have more: they are told by their signs, as no two weights of others are equal but for the sign.
    """
    return [layer.name for layer in weighted(model) if _is_few(np.asarray(layer.kernel), most)]


def _is_few(kernel: NDArray[Any], most: int) -> bool:
    values, sizes = len(np.unique(kernel)), len(np.unique(np.abs(kernel)))
    return values <= min(most, kernel.size / 4) or (sizes <= HASHED_SHARE * kernel.size and values >= SIGNED * sizes)


def tie(model: keras.Model, names: Iterable[str]) -> dict[str, Integers]:
    """Round the kernels of these layers, each to one grid for all its channels, before norms are folded into them.

    The integers, for ``export``: no more different ones than the kernel had values.
    """
    tied = {}
    for name in names:
        layer = model.get_layer(name)
        kernel = np.asarray(layer.kernel)
        step = scales(kernel, tuple(range(kernel.ndim)))
        tied[name] = integers(kernel, step)
        layer.kernel.assign(tied[name].astype(np.float32) * step)
    return tied


def round_kernels(ready: Ready) -> None:
    """Put the simulation's kernels on their grids, as ``export`` will; tied and kept ones stay as they are."""
    for layer in weighted(ready.simulation):
        if layer.name not in ready.tied and layer.name not in ready.kept:
            layer.kernel.assign(on_grid(np.asarray(layer.kernel), reduced_axes(layer)))


def _as_float(layer: Any, kernel: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give a kept layer its kernel again; kernel and bias as the file holds them."""
    layer.kernel.assign(kernel)
    return stored_order(layer, kernel), np.asarray(layer.bias if layer.use_bias else 0.0, np.float32)


def _put_on_grid(layer: Any, tied: Integers | None, coarse: bool) -> Kernel:
    """Round the layer's kernel to its grid; how the file is to hold it."""
    kernel, axes = np.asarray(layer.kernel, np.float64), reduced_axes(layer)
    if tied is None:
        steps = scales(kernel, axes, coarse)
        whole = integers(kernel, steps)
    else:
        steps, whole = _fitted(kernel, tied, axes)
        steps = coarsened(steps) if coarse and np.ptp(steps) > 0 else steps  # one for all costs nothing
    layer.kernel.assign(whole.astype(np.float32) * steps)
    _tell_biases_apart(layer)
    return as_stored(layer, whole, steps)


def _tell_biases_apart(layer: Any) -> None:
    """Move one of a layer's biases to the next number where all are alike and not 0.

    The converter takes such a vector for one number, and gives every channel the integer of the first one's scale.
    """
    bias = np.array(layer.bias) if layer.use_bias else np.zeros(1, np.float32)
    if bias.size > 1 and bias[0] and (bias == bias[0]).all():
        bias[0] = np.nextafter(bias[0], np.float32(np.inf))
        layer.bias.assign(bias)


def _fitted(kernel: NDArray[np.float64], tied: Integers, axes: tuple[int, ...]) -> tuple[Scales, Integers]:
    """The scales, one a channel, by which known integers give the kernel; folding may have turned a channel's sign."""
    whole = tied.astype(np.float64)
    square, product = np.square(whole).sum(axes, keepdims=True), (whole * kernel).sum(axes, keepdims=True)
    steps = np.where(square > 0, product / np.maximum(square, 1.0), 1.0)
    if np.ptp(np.abs(steps)) <= 1e-6 * np.abs(steps).max():  # no norm was folded in: one scale, to the bit
        steps = np.full_like(steps, np.median(steps))
    turned = np.where(steps < 0, -whole, whole)
    return np.abs(np.where(steps == 0, 1.0, steps)).astype(np.float32), turned.astype(np.int8)


__all__ = ["Exported", "Ready", "export", "few_valued", "round_kernels", "tie", "weighted"]
