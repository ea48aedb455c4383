"""Repairs, tried: the model is quantized anew with another knob and held against the float one on held-out pictures.

A repair helps where it mends more predictions than it breaks, beyond chance: b mended, c broken, b − c > 2·√(b + c)
(McNemar's test, z = 2). What trains (aware) takes minutes and is not tried here, only named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bramble.doctor.examine import Examined, top
from bramble.doctor.patient import Patient
from bramble.errors import IncompatibleError
from bramble.quantization.export import export
from bramble.quantization.prepare import prepare
from bramble.recipe_quantize import Quantize

KEPT = 2  # layers that are tried in float, one at a time
KNOBS: tuple[dict[str, Any], ...] = (  # a knob of the recipe's quantize table is tried by a row here
    {"calibrate": "minmax"},
    {"calibrate": "percentile"},
    {"calibrate": "mse"},
    {"equalize": True},
    {"correct_bias": True},
    {"rounding": "adaround"},
)


@dataclass(frozen=True)
class Repair:
    """A knob that was turned and what came of it; ``failed`` says why it could not be tried, the rest is 0 then."""

    knob: str
    agreement: float
    mended: int
    broken: int
    model_bytes: int
    accuracy: float | None
    failed: str = ""

    @property
    def helps(self) -> bool:
        """Whether more was mended than chance would."""
        return self.mended - self.broken > 2.0 * float(np.sqrt(self.mended + self.broken))


def repairs(patient: Patient, found: Examined, pictures: NDArray[np.uint8]) -> Iterator[Repair]:
    """Try what may help, one after the other, on held-out ``pictures`` [N, h, w, c], the first N of the patient's.

    Nothing is tried for a model without a Keras one, or for one trained with aware: its ranges are not calibrated.
    """
    if patient.model is None or patient.how.aware is not None or found.agreement == 1.0:
        return
    right = top(patient.floating, pictures, patient.pixels)
    shipped = top(patient.integer, pictures, patient.pixels)
    for knobs in (*_kept(patient, found), *KNOBS):
        if any(getattr(patient.how, name) != value for name, value in knobs.items()):
            yield _tried(patient, knobs, pictures, right, shipped)


def advice(patient: Patient, found: Examined, tried: Sequence[Repair]) -> str:
    """The repair to make, in a sentence."""
    if found.agreement == 1.0:
        return "nothing to repair: no prediction turns"
    helping = [one for one in tried if one.helps]
    if helping:
        best = max(helping, key=lambda one: (one.agreement, -one.model_bytes))
        return f"set {best.knob}: agrees on {best.agreement:.2%} in place of {found.agreement:.2%}"
    if patient.how.aware is not None:
        return "trained with aware: other ranges need its training anew; train longer, or keep a layer in float"
    if patient.model is None:
        return "repairs can be tried with the Keras model: give --float FILE.keras"
    return "no repair helps beyond chance; what trains was not tried: aware = { epochs = 5 }"


def _kept(patient: Patient, found: Examined) -> list[dict[str, Any]]:
    """The layers without whose rounding most predictions stay, each to be kept in float."""
    known = set(patient.names.values())
    layers = [row for row in found.layers if row.name in known and row.weights and row.without > found.agreement]
    layers = sorted(layers, key=lambda row: -row.without)[:KEPT]
    return [{"keep": tuple(dict.fromkeys((*patient.how.keep, row.name)))} for row in layers]


def _tried(
    patient: Patient, knobs: dict[str, Any], pictures: NDArray[np.uint8], right: NDArray[Any], shipped: NDArray[Any]
) -> Repair:
    knob = ", ".join(f"{name} = {_toml(value)}" for name, value in knobs.items())
    how = Quantize.model_validate({**patient.how.model_dump(), "backend": "bramble", **knobs})
    try:
        ready = prepare(patient.model, how, patient.work)
        tflite = export(ready.simulation, ready.tied, ready.kept).tflite
    except IncompatibleError as error:
        return Repair(knob, 0.0, 0, 0, 0, None, error.message)
    got = top(tflite, pictures, patient.pixels)
    labels = patient.work.data.held_out.labels[: len(pictures)]
    return Repair(
        knob,
        float((got == right).mean()),
        int(((got == right) & (shipped != right)).sum()),
        int(((got != right) & (shipped == right)).sum()),
        len(tflite),
        float((got == labels).mean()) if patient.labelled else None,
    )


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(list(value)).replace("'", '"')
