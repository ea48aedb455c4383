"""All six orders of distilling, cutting (slim, then prune) and quantization-aware training, at equal epochs on MNIST.

    python benchmarks/papers/orders.py

A small CNN is trained; then each order's three steps follow, every step for as many epochs wherever it stands. What a
step leaves is what the next one begins with: after quantization-aware training the real weights behind the integers,
after pruning the zeros. At the end int8 comes from the exporter, of the trained rounding where that was the last step,
after calibration otherwise. Orders that begin alike share what they share. The test set is read once a file. Writes
results/orders-seed<n>.json. Environment: BRAMBLE_DATA, BRAMBLE_RUNS.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import keras
import numpy as np
from experiments import DISTILLED_BY, FASTER, RECIPES, THREE
from numpy.typing import NDArray
from run import tell
from stats import RESULTS

from bramble.build_model import build_model, load_model, set_seed
from bramble.compress.aware import aware
from bramble.compress.distill import distill
from bramble.compress.prune import prune
from bramble.compress.quantize import quantize
from bramble.compress.slim import slim
from bramble.compress.train import train
from bramble.datasets import open_source
from bramble.datasets.types import split
from bramble.evaluate import evaluate
from bramble.packing.pack import pack
from bramble.pipeline import Options, trained
from bramble.quantization.export import Ready, weighted
from bramble.reading import read_recipe
from bramble.recipe import Distill, Model, Prune, Quantize, Slim, Train
from bramble.training.answers import ask
from bramble.training.lesson import PLAIN, Lesson
from bramble.work import Work
from bramble_agent.wire import Pixels

EPOCHS = 4
STUDENT = Model(build="paper_nets:small_cnn")
PIXELS = Pixels(28, 28, "gray", 0.0, 1.0, "crop")
SHIFT: dict[str, Any] = {"augment": {"shift": 1}}
GENTLY = {**FASTER, **SHIFT, "learning_rate": 1e-3}
FIRST = Train.model_validate({"do": "train", "epochs": 6, **FASTER, **SHIFT})
TAUGHT = Distill.model_validate({"do": "distill", "teacher": "", "epochs": EPOCHS, **GENTLY})
NARROW = {"conv1": 12, "conv2": 22, "conv3": 22}
SLIM = Slim.model_validate({"do": "slim", "widths": NARROW, "epochs": EPOCHS // 2, **GENTLY})
PRUNE = Prune.model_validate({"do": "prune", "density": 0.5, "epochs": EPOCHS // 2, **GENTLY})
LOWER = Quantize(do="quantize")
AWARE = Quantize.model_validate({"do": "quantize", "aware": {"epochs": EPOCHS, **SHIFT, "learning_rate": 2e-4}})
STEPS = {"D": "distill", "P": "slim + prune", "Q": "quantization-aware training"}


@dataclass(frozen=True)
class Made:
    """A model after some steps, and what the exporter needs where the last one was quantization-aware."""

    model: keras.Model
    ready: Ready | None = None


Step = Callable[[keras.Model], Made]


def main() -> None:
    """Run the seeds that have no results."""
    read = read_recipe(str(RECIPES / DISTILLED_BY))
    data_dir = Path(os.environ["BRAMBLE_DATA"])
    options = Options(data_dir, Path(os.environ.get("BRAMBLE_RUNS", "runs")))
    teacher = load_model(trained(read, options, tell))
    data = split(open_source(read.recipe.data, read.folder, data_dir, False, print), read.recipe.data.held_out)
    answers: NDArray[np.float32] | None = None
    for seed in THREE:
        path = RESULTS / f"orders-seed{seed}.json"
        if path.exists():
            continue
        if answers is None:
            answers = ask(teacher, 1, data, PIXELS, lambda _: None)
        lesson = Lesson(teacher, TAUGHT.temperature, TAUGHT.alpha, answers=answers)
        found = _chains(seed, Work(data, PIXELS, seed, tell), lesson)
        path.write_text(json.dumps({"seed": seed, "tested": len(data.test), **found}, indent=1) + "\n")


def _chains(seed: int, work: Work, lesson: Lesson) -> dict[str, Any]:
    """Accuracy and bytes of every order of a seed."""
    set_seed(seed)
    made = {"": Made(train(build_model(STUDENT, RECIPES, (28, 28, 1), 10), FIRST, work))}
    steps: dict[str, Step] = {
        "D": lambda model: Made(distill(model, TAUGHT, work, lesson)),
        "P": lambda model: Made(prune(slim(model, SLIM, work, PLAIN), PRUNE, work, PLAIN)),
        "Q": lambda model: _rounded(model, work),
    }
    orders: dict[str, Any] = {}
    for order in ("".join(one) for one in permutations(STEPS)):
        for end in range(1, 4):
            if order[:end] not in made:
                set_seed(seed)
                made[order[:end]] = steps[order[end - 1]](_copy(made[order[: end - 1]].model))
        orders[order] = _lowered(made[order], work)
        print(seed, order, orders[order], flush=True)
    return {"orders": orders, "untouched": _lowered(made[""], work)}


def _rounded(model: keras.Model, work: Work) -> Made:
    """Quantization-aware training, and the real weights that it leaves, put back into the model."""
    ready = aware(model, AWARE, work, PLAIN)
    for layer in weighted(ready.simulation):
        model.get_layer(layer.name).set_weights(layer.get_weights())
    return Made(model, ready)


def _copy(model: keras.Model) -> keras.Model:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _lowered(made: Made, work: Work) -> dict[str, Any]:
    file = quantize(made.model, LOWER, work, made.ready).tflite
    accuracy = evaluate(file, work.data.test, PIXELS)
    return {"accuracy": accuracy, "bytes": len(file), "packed": len(pack(file))}


if __name__ == "__main__":
    main()
