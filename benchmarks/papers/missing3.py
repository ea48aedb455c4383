"""Hinton et al. 2015, section 3: a student that never saw a 3 still knows most of them from its teacher.

    python benchmarks/papers/missing3.py

All 3s leave the training set; the student of 2 x 800 units learns at T = 20 from the small CNN of mnist-teacher.toml
(the paper's teacher has 2 x 1200 units). Its bias for the class 3 is then too low: the amount to add is chosen on
held-out training pictures (the paper chose it on the test set). Test answers come from float32 files through the
interpreter, before and after.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from experiments import DISTILLED_BY, FIVE, RECIPES
from run import tell
from stats import RESULTS

from bramble.build_model import build_model, load_model, set_seed
from bramble.compress.distill import distill
from bramble.convert import convert
from bramble.datasets import open_source
from bramble.datasets.types import Dataset, split
from bramble.evaluate import evaluate
from bramble.pipeline import Options, trained
from bramble.reading import read_recipe
from bramble.recipe import Distill, Model
from bramble.training.lesson import Lesson
from bramble.work import Work
from bramble_agent.pixels import table, to_input
from bramble_agent.wire import Pixels, TensorSpec

UNSEEN = 3
STUDENT = Model(build="paper_nets:dense_800")
PIXELS = Pixels(28, 28, "gray", 0.0, 1.0, "crop")
BIASES = np.arange(0.0, 12.0, 0.1)


def main() -> None:
    """Train the students and write results/missing3.json."""
    read = read_recipe(str(RECIPES / DISTILLED_BY))
    data_dir = Path(os.environ["BRAMBLE_DATA"]) if "BRAMBLE_DATA" in os.environ else None
    options = Options(data_dir, Path(os.environ.get("BRAMBLE_RUNS", "runs")))
    teacher = load_model(trained(read, options, tell))
    data = split(open_source(read.recipe.data, read.folder, data_dir, False, print), read.recipe.data.held_out)
    how = Distill(
        do="distill",
        teacher="",
        epochs=30,
        batch_size=256,
        learning_rate=2e-3,
        temperature=20.0,
        alpha=0.95,
    )
    runs = [_student(seed, how, teacher, data) for seed in FIVE]
    known = {"teacher": DISTILLED_BY, "how": how.model_dump(mode="json", exclude_defaults=True), "runs": runs}
    (RESULTS / "missing3.json").write_text(json.dumps(known, indent=1) + "\n")


def _student(seed: int, how: Distill, teacher: keras.Model, data: Dataset) -> dict[str, Any]:
    seen = data.train.take(np.flatnonzero(data.train.labels != UNSEEN))
    set_seed(seed)
    work = Work(replace(data, train=seen), PIXELS, seed, tell)
    lesson = Lesson(teacher, how.temperature, how.alpha)
    student = distill(build_model(STUDENT, RECIPES, (28, 28, 1), 10), how, work, lesson)
    wrong = _wrong(student, data)
    added = _best_bias(student, data)
    last = student.get_layer("fc3")
    last.bias.assign(np.asarray(last.bias) + added * np.eye(10)[UNSEEN])
    after = _wrong(student, data)
    print(f"seed {seed}: {wrong} wrong, {after} with {added:.1f} added to the bias of {UNSEEN}", flush=True)
    return {"seed": seed, "wrong": wrong, "added": added, "wrong_with_bias": after}


def _wrong(model: keras.Model, data: Dataset) -> int:
    """Wrong answers of the float32 file on the test set."""
    accuracy = evaluate(convert(model, "float32", lambda: iter(())), data.test, PIXELS)
    return round((1 - accuracy) * len(data.test))


def _best_bias(model: keras.Model, data: Dataset) -> float:
    """What to add to the unseen class's logit for the fewest mistakes on held-out pictures."""
    pictures = to_input(data.held_out.pixels, table(PIXELS, TensorSpec("", (), "float32")))
    logits = np.asarray(model(pictures, training=False))
    shifts = BIASES[:, None, None] * np.eye(10)[UNSEEN]
    mistakes = ((logits + shifts).argmax(-1) != data.held_out.labels).sum(1)
    return float(BIASES[mistakes == mistakes.min()].mean())


if __name__ == "__main__":
    main()
