"""Run one stage of a recipe: the Keras model before it in, files and facts out.

Adding a technique adds an arm to the ``match`` in ``run_stage``; mypy tells which one is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

import keras
import numpy as np

from bramble.audit import Audit
from bramble.compress.quantize import quantize
from bramble.compress.train import train
from bramble.datasets.types import Dataset
from bramble.evaluate import evaluate, evaluate_keras
from bramble.events import OnEvent
from bramble.fit import ends_in_softmax
from bramble.recipe import Quantize, Stage, Train
from bramble.tflite import read_graph
from bramble_agent.codec import encode
from bramble_agent.wire import Pixels

Facts = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """What every stage works with."""

    data: Dataset
    pixels: Pixels
    seed: int
    on_event: OnEvent


def run_stage(stage: Stage, model: keras.Model, work: Work, folder: Path) -> Facts:
    """Run ``stage`` on ``model``, write its files into ``folder`` and return its facts (JSON values).

    A stage that leaves a Keras model writes model.keras; quantize writes model.tflite and float.tflite. ``accuracy`` is
    on the held-out part. Raises what the technique raises.
    """
    match stage:
        case Train():
            return _keep(train(model, work.data, stage, work.pixels, work.on_event), work, folder)
        case Quantize():
            made = quantize(model, work.data, stage, work.pixels, work.seed)
            (folder / "model.tflite").write_bytes(made.tflite)
            (folder / "float.tflite").write_bytes(made.float_tflite)
            accuracy = evaluate(made.tflite, work.data.held_out, work.pixels)
            return {**_counts(model), "accuracy": accuracy, **_file_facts(made.tflite, made.audit)}
        case _:
            assert_never(stage)


def _keep(model: keras.Model, work: Work, folder: Path) -> Facts:
    model.save(folder / "model.keras")
    return {**_counts(model), "accuracy": evaluate_keras(model, work.data.held_out, work.pixels)}


def _counts(model: keras.Model) -> Facts:
    return {
        "parameters": int(model.count_params()),
        "nonzero": int(sum(np.count_nonzero(weight) for weight in model.get_weights())),
        "output_kind": "probabilities" if ends_in_softmax(model) else "logits",
    }


def _file_facts(tflite: bytes, audit: Audit) -> Facts:
    return {"macs": read_graph(tflite).macs(), "model_bytes": len(tflite), "audit": encode(audit)}
