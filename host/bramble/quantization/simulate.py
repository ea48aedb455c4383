"""The simulation of an int8 graph in Keras: the graph with its activations rounded where the integers will be.

    x ≈ s·(clip(round(x/s) + z, 0, 255) − z)

s is the range's step, z its zero point. While training, rounding has derivative 1 and the clipped parts none, so that

    ∂x̂/∂s = round(x/s) − x/s inside the range, −z or 255 − z outside

which is LSQ's gradient (Esser et al. 2020, 1902.08153); PACT (Choi et al. 2018, 1805.06085) has its outer part. What is
trained is log s, so that a learning rate means the same for every range. The zero point stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from bramble.quantization.graph import Copies, rebuilt
from bramble.quantization.places import FIXED, Places, Range

STEPS = 255


class FakeQuant(keras.layers.Layer):  # type: ignore[misc]
    """Round to 256 steps; ``learned`` makes the logarithm of the step a weight."""

    def __init__(self, step: float, zero_point: int, learned: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step, self.zero_point, self.learned = step, zero_point, learned

    def build(self, shape: Any) -> None:
        """Make the weight."""
        if self.learned:
            start = keras.initializers.Constant(math.log(self.step))
            self.log_step = self.add_weight(shape=(), initializer=start, name="log_step")

    def compute_output_shape(self, shape: Any) -> Any:
        """That of the input."""
        return shape

    def call(self, x: Any) -> Any:
        """Rounded values; a fixed range uses the operation that the converter knows."""
        if not self.learned:
            low, high = self.range()
            return keras.quantizers.fake_quant_with_min_max_vars(x, low, high)
        ops = keras.ops
        step = ops.exp(self.log_step)
        scaled = x / step
        rounded = scaled + ops.stop_gradient(ops.round(scaled) - scaled)
        return step * ops.clip(rounded, float(-self.zero_point), float(STEPS - self.zero_point))

    def range(self) -> Range:
        """The lowest and the highest value that it gives."""
        step = math.exp(float(np.asarray(self.log_step))) if self.learned else self.step
        return -self.zero_point * step, (STEPS - self.zero_point) * step

    def get_config(self) -> dict[str, Any]:
        """What makes it again; a learned step as it was at first."""
        return {**super().get_config(), "step": self.step, "zero_point": self.zero_point, "learned": self.learned}


def simulate(model: keras.Model, where: Places, ranges: Mapping[str, Range], learned: bool = False) -> keras.Model:
    """A copy of ``model`` with FakeQuant layers where ``where`` says; ``ranges`` are by the names in it.

    With ``learned`` the steps are trained, those of fixed ranges apart. Kernels stay as they are. Batch is 1 or any.
    """
    copies, known = Copies(), {**ranges, **where.fixed}
    made: dict[str, FakeQuant] = {}

    def rounded(x: Any, name: str) -> Any:
        if name not in made:
            step, zero_point = grid_of(known[name])
            trained = learned and name not in where.fixed
            made[name] = FakeQuant(step, zero_point, trained, name=f"range_{len(made)}")
        return made[name](x)

    def call(name: str, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = keras.tree.flatten(args[0]) if args else []
        for number in range(len(given)):
            if (name, number) in where.again:
                given[number] = rounded(given[number], where.again[name, number])
        if args:
            args = (keras.tree.pack_sequence_as(args[0], given), *args[1:])
        answer = args[0] if node.is_input else copies.of(node.operation)(*args, **kwargs)
        return rounded(answer, where.range_of[name]) if name in where.range_of else answer

    simulation = rebuilt(model, call)
    copies.settle()
    return simulation


def unchained(simulation: keras.Model) -> keras.Model:
    """The simulation for the converter: what a sigmoid, tanh or softmax gives is rounded once on each way.

    Where its fixed range is rounded again to another, the converter takes two roundings in a row for one and fails; of
    the second alone it makes the QUANTIZE that is meant. What has no such place comes back as it is.
    """
    copies, found = Copies(), list[str]()
    bare: dict[int, Any] = {}  # what a fixed activation gives, by itself and by its rounding

    def call(name: str, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        operation = node.operation
        if node.is_input:
            return args[0]
        if not isinstance(operation, FakeQuant):
            answer = copies.of(operation)(*args, **kwargs)
            if getattr(operation, "activation", None) in FIXED or isinstance(operation, keras.layers.Softmax):
                bare[id(answer)] = answer
            return answer
        source = bare.get(id(args[0]))
        answer = copies.of(operation)(args[0] if source is None else source)
        if source is not None and source is args[0]:
            bare[id(answer)] = source
        elif source is not None:
            found.append(name)
        return answer

    made = rebuilt(simulation, call)
    copies.settle()
    return made if found else simulation


def settled(simulation: keras.Model) -> keras.Model:
    """A copy of a simulation whose learned ranges are fixed as they are now."""
    copies, made = Copies(), dict[int, FakeQuant]()

    def call(name: str, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        operation = node.operation
        if node.is_input:
            return args[0]
        if isinstance(operation, FakeQuant):
            low, high = operation.range()
            fixed = made.setdefault(
                id(operation), FakeQuant((high - low) / STEPS, operation.zero_point, name=operation.name)
            )
            return fixed(args[0])
        return copies.of(operation)(*args, **kwargs)

    fixed = rebuilt(simulation, call)
    copies.settle()
    return fixed


def grid_of(limits: Range) -> tuple[float, int]:
    """The step and the zero point (0..255) of a range that holds 0; 0 is met exactly."""
    low, high = min(limits[0], 0.0), max(limits[1], 0.0)
    step = (high - low) / STEPS
    return step, min(STEPS, max(0, round(-low / step)))
