"""What do our training loop and its masks cost? Paired ratios against plain Keras, and of prune against training alone.

    python benchmarks/training_loop.py [--pairs 7] [--epochs 4] [--pictures 55000] [--models lenet300 lenet5]

Ratios of time for LeNet-300-100 and LeNet-5, the two sides in turn in one process, who begins alternating:

    fit / keras     epochs of bramble.fit.fit and of keras.Model.fit: same model, pictures, batches, validation. Keras
                    is fed as a user would: float32 pictures rescaled beforehand ("floats"), or uint8 ones and a
                    Rescaling layer in front ("bytes"). Bound: at most 1.0 of either.
    prune / fit     epochs of prune (magnitude, cubic ramp over all of them, with its 60 updates) and of fit without
                    masks. Bound: at most 1.15. So many updates weigh more on a few epochs than on a recipe's dozens.

The first epoch of each call compiles and is left out; a call's figure is the median of its others, from one epoch's end
to the next. What is said is the median over pairs, with the least and the greatest; of wall time, which the bounds are
about, and of this process's CPU time, which other work on the machine disturbs less. MNIST if $BRAMBLE_DATA has it,
else noise of its shape. Results go to results/local/costs/training_loop.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bramble.compress.prune import prune
from bramble.datasets import open_source
from bramble.datasets.types import Dataset, Images
from bramble.events import EpochEnded, Event
from bramble.recipe import Data, Prune, Train
from bramble.training.fit import fit
from bramble.training.lesson import PLAIN
from bramble.work import Work
from bramble_agent.wire import Pixels
from bramble_zoo import lenet5, lenet300

RESULT = Path(__file__).parent / "results" / "local" / "costs" / "training_loop.json"
GRAY28 = Pixels(28, 28, "gray")
MODELS = {"lenet300": lenet300.build, "lenet5": lenet5.build}
BATCH, RATE, HELD_OUT, VALIDATION_BATCH = 128, 1e-3, 5_000, 512
BOUNDS = (("fit", "keras on floats", 1.0), ("fit", "keras on bytes", 1.0), ("prune", "fit", 1.15))
Marks = list[tuple[float, float]]  # when each epoch ended: wall and CPU seconds
Run = Callable[[], Marks]


@dataclass(frozen=True)
class Ratio:
    """Paired ratios of epoch times, and the greatest median that wall time is allowed; ``seconds``: epochs of each."""

    what: str
    bound: float
    wall: tuple[float, ...]
    cpu: tuple[float, ...]
    seconds: tuple[float, float]

    def facts(self) -> dict[str, Any]:
        """All of it as JSON values."""
        median = statistics.median(self.wall)
        return {**asdict(self), "median": median, "cpu_median": statistics.median(self.cpu), "kept": self.kept}

    @property
    def kept(self) -> bool:
        """Whether the median keeps the bound."""
        return statistics.median(self.wall) <= self.bound

    def __str__(self) -> str:
        wall, cpu = (
            f"{statistics.median(one):.3f} ({min(one):.3f} to {max(one):.3f})" for one in (self.wall, self.cpu)
        )
        first, second = (f"{value:.3f} s" for value in self.seconds)
        word = "kept" if self.kept else "MISSED"
        return f"{self.what}: {wall}, CPU {cpu}   (bound {self.bound:.2f}, {word}; an epoch {first} and {second})"


def main() -> None:
    """Print each ratio and write all of them."""
    how = argparse.ArgumentParser(description="What do our training loop and its masks cost?")
    how.add_argument("--pairs", type=int, default=7)
    how.add_argument("--epochs", type=int, default=4, help="of each call, the first of which is left out")
    how.add_argument("--pictures", type=int, default=55_000)
    how.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    asked = how.parse_args()
    if asked.epochs < 2:
        how.error("--epochs: at least 2, the first is left out")
    data, source = _data(asked.pictures)
    before, found = os.getloadavg()[0], []
    for name in asked.models:
        runs = {
            "fit": partial(_ours, name, data, asked.epochs),
            "keras on floats": partial(_plain, name, data, asked.epochs, True),
            "keras on bytes": partial(_plain, name, data, asked.epochs, False),
            "prune": partial(_pruned, name, data, asked.epochs),
        }
        for first, second, bound in BOUNDS:
            found.append(_paired(f"{name}: {first} / {second}", bound, (runs[first], runs[second]), asked.pairs))
            print(found[-1], flush=True)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    asked_for = {"epochs": asked.epochs, "pictures": asked.pictures, "data": source, "batch": BATCH}
    facts = {**asked_for, "conditions": _conditions(before), "ratios": [one.facts() for one in found]}
    RESULT.write_text(json.dumps(facts, indent=1) + "\n")


def _paired(what: str, bound: float, runs: tuple[Run, Run], pairs: int) -> Ratio:
    """Both in turn, each once before for what is only slow the first time."""
    for run in runs:
        run()
    walls: list[list[float]] = []
    cpus: list[list[float]] = []
    for number in range(pairs):
        order = (0, 1) if number % 2 == 0 else (1, 0)
        marks = {which: np.array(runs[which]()) for which in order}  # [epochs, 2]: when each epoch ended
        wall, cpu = np.array([np.median(np.diff(marks[which], axis=0), axis=0) for which in (0, 1)]).T.tolist()
        walls.append(wall)
        cpus.append(cpu)
    first, second = (statistics.median(row[which] for row in walls) for which in (0, 1))
    return Ratio(what, bound, _ratios(walls), _ratios(cpus), (first, second))


def _ratios(rows: list[list[float]]) -> tuple[float, ...]:
    return tuple(first / second for first, second in rows)


def _ours(name: str, data: Dataset, epochs: int) -> Marks:
    """When the epochs of our own loop ended."""
    told: Marks = []
    how = Train(do="train", epochs=epochs, batch_size=BATCH, learning_rate=RATE, schedule="constant")
    fit(_fresh(name), how, Work(data, GRAY28, 1, _keeper(told)), PLAIN)
    return told


def _pruned(name: str, data: Dataset, epochs: int) -> Marks:
    """The same while masks spread to a twentieth, over all epochs."""
    told: Marks = []
    tuning = {"epochs": epochs, "batch_size": BATCH, "learning_rate": RATE, "schedule": "constant"}
    how = Prune.model_validate({"do": "prune", "density": 0.05, "ramp_share": 1.0, **tuning})
    prune(_fresh(name), how, Work(data, GRAY28, 1, _keeper(told)), PLAIN)
    return told


def _plain(name: str, data: Dataset, epochs: int, floats: bool) -> Marks:
    """The same by Keras alone, with rescaled float pictures, or with bytes and a Rescaling layer in front."""
    model, clock = _fresh(name), _Clock()
    parts: Any = [(part.pixels, part.labels) for part in (data.train, data.held_out)]
    if floats:
        parts = [(pixels.astype(np.float32) / 255.0, labels) for pixels, labels in parts]
    else:
        front = [keras.Input((28, 28, 1), dtype="uint8"), keras.layers.Rescaling(1 / 255.0)]
        model = keras.Sequential([*front, model])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(RATE), loss=loss, metrics=["accuracy"])
    model.fit(
        *parts[0],
        batch_size=BATCH,
        epochs=epochs,
        validation_data=parts[1],
        validation_batch_size=VALIDATION_BATCH,
        callbacks=[clock],
        verbose=0,
    )
    return clock.marks


class _Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes when each epoch ended."""

    def __init__(self) -> None:
        super().__init__()
        self.marks: Marks = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the time."""
        self.marks.append(_now())


def _keeper(told: Marks) -> Callable[[Event], None]:
    def keep(event: Event) -> None:
        if isinstance(event, EpochEnded):
            told.append(_now())

    return keep


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _fresh(name: str) -> keras.Model:
    """The same untrained model every time, in a session without what ran before."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    return MODELS[name]((28, 28, 1), 10)


def _data(pictures: int) -> tuple[Dataset, str]:
    """So many training pictures and the held-out ones, of MNIST where it is at hand; and which."""
    folder, count = os.environ.get("BRAMBLE_DATA"), pictures + HELD_OUT
    if folder and (Path(folder) / "mnist").is_dir():
        source = open_source(Data(name="mnist"), Path(), Path(folder), False, lambda _: None)
        images, said = source.load()[0], "mnist"
    else:
        noise = np.random.default_rng(1)
        labels = noise.integers(0, 10, count)
        images, said = Images(noise.integers(0, 256, (count, 28, 28, 1), np.uint8), labels), "noise"
    train, held_out = (images.take(np.arange(*ends)) for ends in ((0, pictures), (pictures, count)))
    return Dataset(tuple("0123456789"), train, held_out, held_out), said


def _conditions(load_before: float) -> dict[str, Any]:
    versions = {name: metadata.version(name) for name in ("keras", "tensorflow", "numpy")}
    load = {"load1_before": round(load_before, 2), "load1_after": round(os.getloadavg()[0], 2)}
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return {"created": created, "machine": platform.machine(), "cores": os.cpu_count(), **load, **versions}


if __name__ == "__main__":
    main()
