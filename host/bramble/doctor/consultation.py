"""The whole visit, as JSON values: examine, try repairs, advise."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bramble.doctor.examine import examine
from bramble.doctor.patient import Given, admit
from bramble.doctor.repairs import advice, repairs
from bramble.events import Note, OnEvent

SHOWN = 512  # held-out pictures, at most


def consult(thing: Path, given: Given, on_event: OnEvent) -> dict[str, Any]:
    """What ``bramble inspect --layers`` says of ``thing``: a run, a bundle, a packed model or a .tflite.

    Decibels are null where nothing was lost. Raises UsageError, DataError, BundleError.
    """
    patient = admit(thing, given, lambda text: on_event(Note(text, warning=True)))
    pictures = patient.work.data.held_out.pixels[:SHOWN]
    on_event(Note(f"examining each layer on {len(pictures)} held-out pictures"))
    found = examine(patient.integer, patient.floating, pictures, patient.pixels, patient.names)
    tried = []
    for one in repairs(patient, found, pictures):
        on_event(Note(f"tried {one.knob}"))
        tried.append(one)
    facts = asdict(found)
    for row, layer in zip(facts["layers"], found.layers, strict=True):
        row["dead"] = layer.dead
    facts["repairs"] = [{**asdict(one), "helps": one.helps} for one in tried]
    facts["advice"] = advice(patient, found, tried)
    finite: dict[str, Any] = _finite(facts)
    return finite


def _finite(value: Any) -> Any:
    """The same with None for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
