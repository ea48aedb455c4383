"""Ranges of activations from calibration pictures: smallest and largest, percentiles, or least squared error.

    minmax      low, high = min x, max x
    percentile  what TAIL of all values lie beyond is clipped, at each end
    mse         the clipping [a·low, b·high], a, b ≤ 1, of least Σ (x − x̂)²: rounding against clipping (Banner et al.
                2019, 1810.05723, look for the same minimum in closed form)

Every batch is looked at and let go. Percentile and mse go through the pictures twice: for the ends, then for a
histogram of BINS between them. Calls that share a range share its histogram. Ranges always hold 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.errors import DataError, IncompatibleError
from bramble.quantization.graph import named_nodes
from bramble.quantization.places import Places, Range
from bramble.quantization.simulate import STEPS, grid_of

Batches = Callable[[], Iterator[list[NDArray[Any]]]]
BINS = 4_096
TAIL = 1e-4
SHARES = np.linspace(1.0, 0.2, 81)


@dataclass(frozen=True)
class _Tap:
    """The graph with everything that is measured as its outputs, and whose range each is."""

    model: keras.Model
    names: list[str]
    ranges: list[str]

    def through(self, batches: Batches) -> Iterator[tuple[str, str, NDArray[np.float32]]]:
        """Call, range and values, batch by batch."""
        for batch in batches():
            answers = self.model(list(batch), training=False)
            for name, group, answer in zip(self.names, self.ranges, _as_list(answers), strict=True):
                yield name, group, np.asarray(answer, np.float32)


def calibrate(model: keras.Model, where: Places, batches: Batches, method: str = "minmax") -> dict[str, Range]:
    """The range of every name in ``where`` that is not fixed, by ``method``: minmax, percentile or mse.

    ``batches`` gives lists of one array an input, [n, …], anew each time it is called. Raises DataError where there are
    none, where values are no numbers or all pictures are the same; IncompatibleError for a layer that only gives 0.
    """
    demand_pictures(batches)
    tap = _tap(model, where)
    ends = _ends(tap, batches) if tap.names else {}
    if method == "minmax" or not ends:
        return ends
    counts = _histograms(tap, batches, ends)
    choose = _by_percentile if method == "percentile" else _by_error
    return {name: choose(count, ends[name]) for name, count in counts.items()}


def _as_list(outputs: Any) -> list[Any]:
    """A model's outputs as a list: Keras gives a lone one bare."""
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def _tap(model: keras.Model, where: Places) -> _Tap:
    held = [
        (name, where.measured[name], node.output_tensors[0])
        for name, node in named_nodes(model)
        if name in where.measured and where.measured[name] not in where.fixed
    ]
    taps = keras.Model(model.inputs, [tensor for _, _, tensor in held]) if held else model
    return _Tap(taps, [name for name, _, _ in held], [group for _, group, _ in held])


def demand_pictures(batches: Batches) -> None:
    """Raise DataError for calibration data that cannot set ranges."""
    first, varied, seen = None, False, 0
    for batch in batches():
        for array in batch:
            if not np.isfinite(array).all():
                raise DataError("calibration data holds values that are no numbers", "check the data and its range")
        first = [array[0] for array in batch] if first is None else first
        varied = varied or any((array != one).any() for array, one in zip(batch, first, strict=True))
        seen += len(batch[0])
    if not seen:
        raise DataError("there are no pictures to calibrate on", "give training pictures, or raise calibration")
    if seen > 1 and not varied:
        raise DataError(f"all {seen} calibration pictures are the same", "calibrate on pictures as they will come")


def _ends(tap: _Tap, batches: Batches) -> dict[str, Range]:
    ends: dict[str, Range] = dict.fromkeys(tap.ranges, (0.0, 0.0))
    for name, group, values in tap.through(batches):
        low, high = float(values.min()), float(values.max())
        if not np.isfinite([low, high]).all():
            raise DataError(
                f"calibration: {name} gives values that are no numbers", "check the model's weights and the data"
            )
        ends[group] = min(low, ends[group][0]), max(high, ends[group][1])
    for group, (low, high) in ends.items():
        if low == high:
            raise IncompatibleError(
                f"the range of {group} is dead: it gives 0 for every calibration picture",
                "calibrate on more pictures, take the dead layer out, or train it again",
            )
    return ends


def _histograms(tap: _Tap, batches: Batches, ends: Mapping[str, Range]) -> dict[str, NDArray[np.int64]]:
    counts = {name: np.zeros(BINS, np.int64) for name in ends}
    for _, group, values in tap.through(batches):
        counts[group] += np.histogram(values, BINS, ends[group])[0]
    return counts


def _by_percentile(counts: NDArray[np.int64], ends: Range) -> Range:
    edges, share = np.linspace(*ends, BINS + 1), np.cumsum(counts) / counts.sum()
    low, high = edges[int(np.searchsorted(share, TAIL, "right"))], edges[int(np.searchsorted(share, 1.0 - TAIL)) + 1]
    return (min(float(low), 0.0), max(float(high), 0.0)) if low < high else ends


def _by_error(counts: NDArray[np.int64], ends: Range) -> Range:
    edges = np.linspace(*ends, BINS + 1)
    values = (edges[1:] + edges[:-1]) / 2

    def error(limits: Range) -> float:
        step, zero = grid_of(limits)
        rounded = step * np.clip(np.round(values / step), -zero, STEPS - zero)
        return float(counts @ np.square(values - rounded))

    best = min(((a * ends[0], a * ends[1]) for a in SHARES), key=error)  # both ends, then each alone
    best = min([best, *((best[0], float(a * ends[1])) for a in SHARES)], key=error)
    best = min([best, *((float(a * ends[0]), best[1]) for a in SHARES)], key=error)
    return float(best[0]), float(best[1])
