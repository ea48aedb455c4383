"""Repairs are tried on held-out pictures, and only what mends beyond chance is advised."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bramble.datasets.types import Dataset
from bramble.doctor.examine import Examined, examine
from bramble.doctor.patient import Patient
from bramble.doctor.repairs import Repair, advice, repairs
from bramble.quantization.export import export
from bramble.quantization.prepare import prepare
from bramble.recipe_quantize import Aware, Quantize

from ..conftest import GRAY8, quiet
from .patients import files, with_detector


@pytest.fixture(scope="module")
def patient(digits: Dataset) -> Patient:
    """The net with a detector, calibrated from the smallest to the largest value on all of its training pictures."""
    model, data = with_detector(digits)
    how = Quantize(do="quantize", calibrate="minmax", calibration=601)
    ready = prepare(model, how, quiet(data))
    integer = export(ready.simulation, ready.tied, ready.kept).tflite
    floating = files(model, data.held_out.pixels[:64])[1]
    return Patient(integer, floating, GRAY8, model, {1: "hidden", 2: "out"}, how, quiet(data), labelled=True)


@pytest.fixture(scope="module")
def found(patient: Patient) -> Examined:
    """Its examination."""
    return examine(patient.integer, patient.floating, patient.work.data.held_out.pixels, GRAY8, patient.names)


@pytest.mark.slow
def test_range_that_one_picture_spoiled_is_found_and_mended(patient: Patient, found: Examined) -> None:
    """Hidden values have a handful of steps; percentiles bring the predictions back, and that is what is advised."""
    hidden = next(row for row in found.layers if row.name == "hidden")
    assert hidden.range is not None
    assert hidden.range[1] == pytest.approx(450.0, rel=0.2)
    assert hidden.bits is not None
    assert hidden.bits < 3
    assert found.worst == "hidden"
    assert found.agreement < 0.9
    tried = list(repairs(patient, found, patient.work.data.held_out.pixels))
    by_knob = {one.knob: one for one in tried}
    mended = by_knob['calibrate = "percentile"']
    assert mended.helps
    assert mended.agreement > 0.98
    assert mended.accuracy is not None
    assert 'calibrate = "minmax"' not in by_knob  # it is so already
    assert {"equalize = true", "correct_bias = true", 'rounding = "adaround"'} <= set(by_knob)
    assert not any(one.failed for one in tried)
    said = advice(patient, found, tried)
    assert said.startswith('set calibrate = "')
    assert f"in place of {found.agreement:.2%}" in said


@pytest.mark.slow
def test_mended_and_broken_are_counted_against_the_shipped_file(patient: Patient, found: Examined) -> None:
    """Mended less broken is what agreement grew by."""
    pictures = patient.work.data.held_out.pixels
    for one in repairs(patient, found, pictures):
        grown = round((one.agreement - found.agreement) * len(pictures))
        assert one.mended - one.broken == grown


def test_chance_does_not_help() -> None:
    """5 mended and 3 broken may be chance, 9 and 1 hardly; none of both is none."""
    one = Repair("x", 0.9, 5, 3, 1, None)
    assert not one.helps
    assert replace(one, mended=9, broken=1).helps
    assert not replace(one, mended=0, broken=0).helps


@pytest.mark.slow
def test_nothing_is_tried_where_nothing_can_be(patient: Patient, found: Examined) -> None:
    """Without a Keras model, after training with rounding, and where no prediction turns: each says why."""
    pictures = patient.work.data.held_out.pixels
    bare = replace(patient, model=None)
    trained = replace(patient, how=patient.how.model_copy(update={"aware": Aware()}))
    well = replace(found, agreement=1.0)
    for who, seen, said in (
        (bare, found, "give --float FILE.keras"),
        (trained, found, "trained with aware"),
        (patient, well, "nothing to repair"),
    ):
        assert list(repairs(who, seen, pictures)) == []
        assert said in advice(who, seen, [])
    assert "what trains was not tried: aware" in advice(patient, found, [])


def test_repair_that_cannot_be_made_is_told(patient: Patient, found: Examined) -> None:
    """An export that fails is a row that says so; the others go on."""
    broken = patient.model
    assert broken is not None
    kernel, bias = broken.get_layer("hidden").get_weights()
    try:
        broken.get_layer("hidden").set_weights([kernel * 0.0, bias * 0.0 - 1.0])
        tried = list(repairs(patient, found, patient.work.data.held_out.pixels[:16]))
    finally:
        broken.get_layer("hidden").set_weights([kernel, bias])
    assert tried
    assert all("dead" in one.failed and not one.helps for one in tried)
