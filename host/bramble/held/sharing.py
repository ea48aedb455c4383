"""Weights that share values: each is ± one of a few numbers, while training too (Han 2015, 1510.00149, section 3.3).

    w = sign · value[index];   ∂L/∂value[k] = Σ over its members of sign · ∂L/∂w

The kernel variable stays a whole kernel whose members of a group are equal: they begin so, and every member gets the
group's summed gradient, so that an optimiser moves all alike. Penalties, masks, early stopping, rounding (``seen``) and
the saved model need to know nothing of it. What rounding errors of the optimiser part is made equal at the end.

Like zeros, shared values are known by the kernels themselves: of n weights that were trained alone nearly n differ. A
kernel is shared if it has LEAST weights that are not 0, at least two values, and at most MOST · n different |w|. More
than CODED of them do not count where all fit 16-bit floats: such a kernel was only stored so. Zeros stay zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.events import Note, OnEvent
from bramble.held.masks import prunable
from bramble.held.seen import View, own_kernel, seen_as
from bramble.tuning import Tuning

Kernel = NDArray[np.float32]
LEAST, MOST, CODED = 16, 0.9, 256
HALF_FLOAT = np.uint32(0x1FFF)  # the bits of a float32 that a 16-bit float does not have


@dataclass(frozen=True, eq=False)
class Groups:
    """Which of ``count`` values each weight of a kernel takes: ``index`` (int32) and ``sign`` (−1, 0, 1) of its shape.

    Sign 0 is a zero that stays, in no group. A group may be empty.
    """

    index: NDArray[np.int32]
    sign: Kernel
    count: int

    def spread(self, values: NDArray[Any]) -> Kernel:
        """The kernel of these ``count`` values."""
        return np.asarray(self.sign * values.astype(np.float32)[self.index], dtype=np.float32)

    def means(self, kernel: NDArray[Any]) -> NDArray[np.float64]:
        """The values whose kernel is nearest to ``kernel`` (least squares); 0 for an empty group."""
        sums = np.bincount(self.index.ravel(), (self.sign * kernel.astype(np.float64)).ravel(), self.count)
        return sums / np.maximum(1, self.members())

    def firsts(self) -> NDArray[np.int32]:
        """The flat position of each group's first member; 0 for an empty group."""
        places = np.flatnonzero(self.sign)
        groups, first = np.unique(self.index.ravel()[places], return_index=True)
        found = np.zeros(self.count, np.int32)
        found[groups] = places[first]
        return found

    def members(self) -> NDArray[np.int64]:
        """How many weights each group has."""
        return np.bincount(self.index.ravel(), self.sign.ravel() != 0, self.count).astype(np.int64)


def shared_groups(layers: Sequence[keras.Layer]) -> dict[str, Groups]:
    """The layers whose kernels share values, by name, with their groups: weights of one |w|."""
    known = {layer.name: groups_of(np.asarray(own_kernel(layer))) for layer in layers}
    return {name: groups for name, groups in known.items() if groups is not None}


def groups_of(kernel: Kernel) -> Groups | None:
    """The groups of weights of one |w|, or None where the weights are each their own."""
    alive, found = kernel[kernel != 0], alike(kernel)
    if len(alive) < LEAST or found.count > MOST * len(alive) or np.all(alive == alive[0]):
        return None
    if found.count > CODED and not np.any(alive.astype(np.float32).view(np.uint32) & HALF_FLOAT):
        return None
    return found


def alike(kernel: Kernel) -> Groups:
    """The groups of weights of one |w|, however many they are."""
    values, inverse = np.unique(np.abs(kernel), return_inverse=True)
    nothing = int(values[0] == 0)
    index = np.maximum(0, inverse.reshape(kernel.shape) - nothing).astype(np.int32)
    return Groups(index, np.sign(kernel).astype(np.float32), len(values) - nothing)


def share(groups: Groups) -> View:
    """The function of a kernel that changes nothing, but gives every member of a group the group's gradient."""
    ops = keras.ops
    index, sign = (
        keras.Variable(array.ravel(), trainable=False, dtype=array.dtype) for array in (groups.index, groups.sign)
    )

    def shared(kernel: Any) -> Any:
        def grad(*given: Any, upstream: Any = None) -> Any:
            change = given[0] if upstream is None else upstream
            sums = ops.bincount(index, sign * ops.reshape(change, (-1,)), groups.count)
            return ops.reshape(sign * ops.take(sums, index), groups.index.shape)

        return kernel, grad

    summed = ops.custom_gradient(shared)
    return lambda kernel: summed(ops.copy(kernel))  # a tensor: custom gradients must not close over the variable


@contextmanager
def sharing(model: keras.Model, groups: Mapping[str, Groups]) -> Iterator[None]:
    """While inside, the kernels of the layers named in ``groups`` train as shared values; afterwards they are such.

    Each group begins with the value of its first member.
    """
    layers = [model.get_layer(name) for name in groups]
    _level(layers, groups)
    with seen_as(layers, [share(one) for one in groups.values()]):
        yield
    _level(layers, groups)


def _level(layers: Sequence[keras.Layer], groups: Mapping[str, Groups]) -> None:
    """Give each member its group's first member's value."""
    for layer, one in zip(layers, groups.values(), strict=True):
        first = one.firsts()
        own_kernel(layer).assign(one.spread((one.sign * np.asarray(own_kernel(layer))).ravel()[first]))


@contextmanager
def shared_kept(model: keras.Model, how: Tuning, on_event: OnEvent) -> Iterator[None]:
    """While inside, values that an earlier stage shares stay shared through every optimiser step; it is told once."""
    groups = shared_groups(prunable(model)) if how.keep_shared else {}
    if groups:
        values = ", ".join(f"{name} {one.count}" for name, one in groups.items())
        on_event(Note(f"shared values of an earlier stage stay shared (keep_shared): {values}"))
    with sharing(model, groups):
        yield
