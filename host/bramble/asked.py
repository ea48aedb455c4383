"""Answers of a teacher for a stage: found among the artifacts, or asked now, where asking once is less work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.artifact import Store, code_digest, key_of
from bramble.events import EpochStep, Note
from bramble.recipe import Distill, Stage, tuning_of
from bramble.training.answers import ask, variants
from bramble.work import Work
from bramble_agent.codec import encode

FILE = "answers.npy"
CODE = ("answers", "front", "shift", "softmax")


@dataclass(frozen=True)
class Asked:
    """Where answers are kept, and the digest of the data that they are about."""

    store: Store
    data: str


def asked(stage: Stage, teacher: keras.Model, digest: str, work: Work, place: Asked) -> NDArray[np.float32] | None:
    """What the teacher (a file of that sha256) says of all that the stage shows.

    None where it is less work to ask at every step, or where more than its answers is wanted.
    """
    tuning = tuning_of(stage)
    count = variants(tuning.augment, work.data) if tuning else None
    if tuning is None or count is None or (isinstance(stage, Distill) and (stage.hints or stage.attention)):
        return None
    most = tuning.augment.shift
    code = code_digest(*(f"bramble.training.{name}" for name in CODE))
    key = key_of("answers", digest, place.data, encode(work.pixels), most, code)
    found = place.store.find(key)
    if found is None and count > tuning.epochs:
        return None

    def tell(share: float) -> None:
        work.on_event(EpochStep(1, 1, round(share * count), count))

    def fill(folder: Path) -> dict[str, Any]:
        work.on_event(Note(f"asking the teacher once for all: {count} x {len(work.data.train):,} pictures"))
        np.save(folder / FILE, ask(teacher, most, work.data, work.pixels, tell))
        return {"name": "answers"}

    made: NDArray[np.float32] = np.load((found or place.store.make(key, fill)).file(FILE))
    return made
