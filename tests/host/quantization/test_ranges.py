"""Calibration by its three methods on values that are known, and what cannot set a range."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from bramble.errors import DataError, IncompatibleError
from bramble.quantization.places import Range, places
from bramble.quantization.ranges import calibrate


def through(values: NDArray[np.float32], method: str, batch: int = 0) -> Range:
    """The range of an input that takes ``values`` [n, 4], in one batch or several."""
    rows = keras.Input((4,), name="rows")
    model = keras.Model(rows, layers.Dense(1, name="out")(rows))

    def batches() -> Iterator[list[NDArray[np.float32]]]:
        for start in range(0, len(values), batch or len(values)):
            yield [values[start : start + (batch or len(values))]]

    return calibrate(model, places(model), batches, method)["rows"]


def test_minmax_is_the_ends_over_all_batches() -> None:
    """The smallest and the largest value, whichever batch they are in; 0 is always inside."""
    values = np.linspace(-1.0, 3.0, 40, dtype=np.float32).reshape(10, 4)
    assert through(values, "minmax", batch=3) == (-1.0, 3.0)
    assert through(values + 5.0, "minmax") == (0.0, 8.0)
    assert through(values - 5.0, "minmax") == (-6.0, 0.0)


def test_percentile_cuts_outliers() -> None:
    """One value in a million at 1000 is cut, the other ends stay to a bin's width."""
    values = np.random.default_rng(0).uniform(-1.0, 1.0, (250_000, 4)).astype(np.float32)
    values[17, 2] = 1_000.0
    low, high = through(values, "percentile", batch=100_000)
    assert -1.3 < low < -0.9
    assert 0.9 < high < 1.3


def test_mse_minimises_the_error_it_names() -> None:
    """Among clippings of a normal distribution with one outlier none has less squared error, by plain computation."""
    values = np.random.default_rng(0).normal(size=(5_000, 4)).astype(np.float32)
    values[0, 0] = 20.0

    def error(limits: Range) -> float:
        step = (limits[1] - limits[0]) / 255
        zero = round(-limits[0] / step)
        return float(np.square(values - step * np.clip(np.round(values / step), -zero, 255 - zero)).sum())

    found = through(values, "mse", batch=1_000)
    ends = float(values.min()), float(values.max())
    assert error(found) < 0.98 * error(ends)
    others = [(share * ends[0], share * ends[1]) for share in np.linspace(0.2, 1.0, 33)]
    assert error(found) <= 1.02 * min(error(limits) for limits in others)


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
def test_order_and_batches_do_not_matter(method: str) -> None:
    """Streaming in sevens gives what one batch gives."""
    values = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
    assert through(values, method, batch=7) == through(values[::-1], method)


def test_no_pictures() -> None:
    """Nothing to calibrate on is an error that says so."""
    with pytest.raises(DataError, match="no pictures to calibrate on"):
        through(np.zeros((0, 4), np.float32), "minmax", batch=1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers(bad: float) -> None:
    """NaN and infinity in the data are refused before they become a range."""
    values = np.ones((3, 4), np.float32)
    values[1, 1] = bad
    with pytest.raises(DataError, match="values that are no numbers"):
        through(values, "mse")


def test_model_that_gives_no_numbers() -> None:
    """A layer with a damaged weight is named."""
    rows = keras.Input((4,), name="rows")
    model = keras.Model(rows, layers.Dense(1, name="out")(layers.Dense(2, name="hurt")(rows)))
    model.get_layer("hurt").bias.assign([np.nan, 0.0])
    values = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    with pytest.raises(DataError, match="hurt gives values that are no numbers"):
        calibrate(model, places(model), lambda: iter([[values]]), "minmax")


def test_constant_pictures() -> None:
    """Pictures that are all the same set no range."""
    with pytest.raises(DataError, match="all 6 calibration pictures are the same"):
        through(np.full((6, 4), 0.5, np.float32), "minmax", batch=2)


def test_dead_layer_is_named() -> None:
    """A layer that gives 0 for every picture has no range; its name and what to do are told."""
    rows = keras.Input((4,), name="rows")
    model = keras.Model(rows, layers.Dense(1, name="out")(layers.ReLU(name="dead")(layers.Dense(2)(rows))))
    model.layers[1].set_weights([-np.ones((4, 2)), np.zeros(2)])
    values = np.random.default_rng(1).random((5, 4), dtype=np.float32)
    with pytest.raises(IncompatibleError, match="the range of dead is dead") as caught:
        calibrate(model, places(model), lambda: iter([[values]]), "minmax")
    assert "calibrate on more pictures" in caught.value.hint
