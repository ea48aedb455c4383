"""Run one stage of a recipe: the Keras model before it in, files and facts out.

Adding a technique adds an arm to the ``match`` in ``run_stage``; mypy tells which one is missing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, assert_never

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.compress.aware import aware
from bramble.compress.binarize import binarize
from bramble.compress.cluster import cluster
from bramble.compress.distill import distill
from bramble.compress.factorize import factorize
from bramble.compress.hash import hash as hash_
from bramble.compress.hash import hashed
from bramble.compress.head import head
from bramble.compress.prune import prune
from bramble.compress.quantize import quantize
from bramble.compress.slim import slim
from bramble.compress.train import train
from bramble.compress.vector import vector
from bramble.convert import convert
from bramble.errors import IncompatibleError
from bramble.evaluate import evaluate, evaluate_keras
from bramble.graph.flatten import flatten
from bramble.held.masks import prunable
from bramble.held.sharing import shared_groups
from bramble.pruning.layers_table import as_facts, layer_rows
from bramble.recipe import Distill, Factorize, Head, Prune, Slim, Stage, Train, tuning_of
from bramble.recipe_quantize import Quantize
from bramble.recipe_sharing import Binarize, Cluster, Hash, Vector
from bramble.tflite import deflated_bytes, read_graph
from bramble.training.lesson import PLAIN, Lesson
from bramble.training.softmax import ends_in_softmax
from bramble.tuning import Taught
from bramble.work import Work
from bramble_agent.codec import encode

Facts = dict[str, Any]
TABLED = 1_000  # held-out pictures for the activations of the table of layers


def run_stage(
    stage: Stage,
    model: keras.Model,
    teacher: keras.Model | None,
    work: Work,
    folder: Path,
    answers: NDArray[np.float32] | None = None,
) -> Facts:
    """Run ``stage`` on ``model``, write its files into ``folder`` and return its facts (JSON values).

    ``answers`` are what the teacher says of all pictures (see ``training.answers``), where it was asked before.

    Models inside the model are laid open first. A stage that leaves a Keras model writes model.keras; quantize writes
    model.tflite, float.tflite and the model as it was. ``accuracy`` is on the held-out part; ``macs``, ``model_bytes``
    and ``packed_bytes`` (deflated as in a bundle's .zip) are those of the shipped file, before quantize those of the
    model's plain float32 file. ``shared`` tells of layers with shared values how many (by size: ±a is one) for how many
    weights, ``hashed`` which seed and how many buckets they came from. Raises what the technique raises.
    """
    model, lesson = flatten(model), _lesson(stage, teacher, answers)
    match stage:
        case Train():
            made = train(model, stage, work)
        case Distill():
            made = distill(model, stage, work, lesson)
        case Prune():
            made = prune(model, stage, work, lesson)
        case Slim():
            made = slim(model, stage, work, lesson)
        case Factorize():
            made = factorize(model, stage, work, lesson)
        case Head():
            made = head(model, stage, work, lesson)
        case Cluster() | Hash() | Vector() | Binarize():
            made = _with_few_values(stage, model, work, lesson)
        case Quantize():
            return _lower(model, stage, work, folder, lesson)
        case _:
            assert_never(stage)
    facts = _keep(made, work, folder)
    return {**facts, "hashed": hashed(made, stage)} if isinstance(stage, Hash) else facts


def _with_few_values(
    stage: Cluster | Hash | Vector | Binarize, model: keras.Model, work: Work, lesson: Lesson
) -> keras.Model:
    match stage:
        case Cluster():
            return cluster(model, stage, work, lesson)
        case Hash():
            return hash_(model, stage, work, lesson)
        case Vector():
            return vector(model, stage, work, lesson)
        case Binarize():
            return binarize(model, stage, work, lesson)


def _lower(model: keras.Model, stage: Quantize, work: Work, folder: Path, lesson: Lesson) -> Facts:
    trained = aware(model, stage, work, lesson) if stage.aware else None
    made = quantize(model, stage, work, trained)
    (folder / "model.tflite").write_bytes(made.tflite)
    (folder / "float.tflite").write_bytes(made.float_tflite)
    model.save(folder / "model.keras")  # what was lowered, for whoever asks later what that cost (bramble.doctor)
    accuracy = evaluate(made.tflite, work.data.held_out, work.pixels)
    facts = {**_counts(model), "accuracy": accuracy, **_file_facts(made.tflite), "audit": encode(made.audit)}
    return {**facts, "layers": _layers(model, work)}


def _lesson(stage: Stage, teacher: keras.Model | None, answers: NDArray[np.float32] | None) -> Lesson:
    """What the stage's teacher has to say."""
    tuning = tuning_of(stage)
    if teacher is None or not isinstance(tuning, Taught | Distill):
        return PLAIN
    lesson = Lesson(flatten(teacher), tuning.temperature, tuning.alpha, answers=answers)
    if not isinstance(tuning, Distill):
        return lesson
    hints, attention = tuple(tuning.hints.items()), tuple(tuning.attention.items())
    return replace(lesson, hints=hints, attention=attention, hint_weight=tuning.hint_weight)


def _keep(model: keras.Model, work: Work, folder: Path) -> Facts:
    model.save(folder / "model.keras")
    accuracy = evaluate_keras(model, work.data.held_out, work.pixels)
    return {**_counts(model), "accuracy": accuracy, **_float_file_facts(model), **_shared(model)}


def _shared(model: keras.Model) -> Facts:
    groups = shared_groups(prunable(model))
    told = {name: {"values": one.count, "weights": int(one.members().sum())} for name, one in groups.items()}
    return {"shared": told} if told else {}


def _layers(model: keras.Model, work: Work) -> Facts | None:
    """Han's table of the last Keras model; None for one that is no plain graph."""
    pictures = work.data.held_out.take(np.arange(min(TABLED, len(work.data.held_out))))
    try:
        return as_facts(layer_rows(model, pictures, work.pixels), len(pictures))
    except IncompatibleError:
        return None


def _counts(model: keras.Model) -> Facts:
    return {
        "parameters": int(model.count_params()),
        "nonzero": int(sum(np.count_nonzero(weight) for weight in model.get_weights())),
        "output_kind": "probabilities" if ends_in_softmax(model) else "logits",
    }


def _float_file_facts(model: keras.Model) -> Facts:
    """What the model would be as a plain file; nothing where it cannot be lowered, which is quantize's to tell."""
    try:
        return _file_facts(convert(model, "float32", lambda: iter(())))
    except IncompatibleError:
        return {"macs": None, "model_bytes": None, "packed_bytes": None}


def _file_facts(tflite: bytes) -> Facts:
    return {"macs": read_graph(tflite).macs(), "model_bytes": len(tflite), "packed_bytes": deflated_bytes(tflite)}
