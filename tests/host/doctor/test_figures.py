"""Figures of rounding, on values that can be counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bramble.doctor.figures import Figures, bits, histogram, sqnr_db


def test_decibels() -> None:
    """100 to 1 is 20 dB; nothing lost is infinite; noise alone is minus infinity."""
    assert sqnr_db(100.0, 1.0) == pytest.approx(20.0)
    assert sqnr_db(1.0, 0.0) == math.inf
    assert sqnr_db(0.0, 1.0) == -math.inf


def test_bits() -> None:
    """Four integers alike are 2 bits, one alone is none, 1/2 + 1/4 + 1/4 is 1.5."""
    assert bits(np.array([0, 3, 3, 3, 3])) == pytest.approx(2.0)
    assert bits(np.array([0, 9])) == 0.0
    assert bits(np.array([4, 2, 2])) == pytest.approx(1.5)


def test_histogram() -> None:
    """Every int8 has its place: −128 is the first, 127 the last."""
    counts = histogram(np.array([-128, 127, 127, 0], np.int8))
    assert (counts[0], counts[255], counts[128], counts.sum()) == (1, 2, 1, 4)


def test_sums_by_hand() -> None:
    """Range 0 … 25.5 in steps of 0.1: 30 is clipped by 4.5, 1.04 rounds to 1.0; what is there is off by more."""
    figure = Figures((0.1, -128))
    figure.add(np.array([1.04, 2.0], np.float32), np.array([-128 + 12, -128 + 20], np.int8))
    figure.add(np.array([30.0, -3.0], np.float32), np.array([127, -128], np.int8))
    signal = 1.04**2 + 2.0**2 + 30.0**2 + 3.0**2
    assert figure.ends == pytest.approx((0.0, 25.5))
    assert (figure.low, figure.high) == pytest.approx((-3.0, 30.0))
    assert figure.clipped == pytest.approx(7.5 / 36.04)
    assert figure.own_db == pytest.approx(10 * math.log10(signal / (0.04**2 + 4.5**2 + 3.0**2)), abs=1e-4)
    assert figure.db == pytest.approx(10 * math.log10(signal / (0.16**2 + 4.5**2 + 3.0**2)), abs=1e-4)
    assert figure.counts.sum() == 4


def test_floats_have_no_range() -> None:
    """A layer that was kept in float is off by what came in."""
    figure = Figures(None)
    figure.add(np.array([3.0, 4.0], np.float32), np.array([3.0, 4.5], np.float32))
    assert figure.db == pytest.approx(20.0)
    assert figure.ends is None
