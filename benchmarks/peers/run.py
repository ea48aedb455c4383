"""The peers' tools beside ours on the same trained nets, with the same epochs: accuracy, bytes, minutes.

    python benchmarks/peers/run.py [JOB …]

Makes an environment for each peer (requirements/, under $BRAMBLE_RUNS/peers), trains each float net once, and runs
every job that has no result yet, one after the other; a name runs those jobs again. The accuracy is that of the .tflite
through the interpreter, on the test pictures. Writes results/<net>-<tool>-<method>.json; `python benchmarks/tables.py`
makes the table. Needs $BRAMBLE_DATA and a package index for the environments.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jobs import JOBS, Job

from bramble.datasets import cifar10, mnist
from bramble.datasets.types import Dataset, split
from bramble.evaluate import evaluate
from bramble.events import Event, Note
from bramble.pipeline import Options, build, trained
from bramble.reading import ReadRecipe
from bramble.recipe import Recipe
from bramble_agent.wire import Pixels

HERE = Path(__file__).parent
RESULTS = HERE / "results"
RUNS = Path(os.environ.get("BRAMBLE_RUNS", "runs"))
DATA = Path(os.environ["BRAMBLE_DATA"]).resolve()
PRETRAINED = DATA / "models/mlperf-tiny/image_classification/pretrainedResnet.h5"
HELD_OUT = 5_000


@dataclass(frozen=True)
class Made:
    """What a tool made: the .tflite, the bytes that would travel, and the seconds it took."""

    tflite: bytes
    shipped: int
    seconds: float


def main() -> None:
    """Run the jobs that are asked for, or all that have no result yet."""
    RESULTS.mkdir(exist_ok=True)
    for job in JOBS:
        place = RESULTS / f"{job.name}.json"
        if (sys.argv[1:] and job.name not in sys.argv[1:]) or (not sys.argv[1:] and place.exists()):
            continue
        made = _ours(job) if job.tool == "bramble" else _theirs(job)
        accuracy = evaluate(made.tflite, _data(job.data).test, _pixels(job.net))
        found = {
            "net": job.net,
            "tool": job.tool,
            "name": " ".join(part for part in (job.method, job.word) if part),
            "epochs": job.epochs,
            "accuracy": accuracy,
            "bytes": len(made.tflite),
            "gzip_bytes": len(gzip.compress(made.tflite, 9, mtime=0)),
            "shipped_bytes": made.shipped,
            "seconds": round(made.seconds, 1),
        }
        place.write_text(json.dumps(found, indent=1) + "\n")
        print(found, flush=True)


def _theirs(job: Job) -> Made:
    """A job in the peer's own environment."""
    folder = _folder(job.net)
    words = {
        "net": job.net,
        "method": job.method,
        "epochs": job.epochs,
        "density": job.density,
        "densities": job.densities,
        "weights": str(folder / "weights.npz"),
        "float": str(folder / "float.tflite"),
        "pictures": str(folder / "pictures.npz"),
        "scale": _pixels(job.net).high / 255.0,
        "tflite": str(folder / f"{job.name}.tflite"),
    }
    place = folder / f"{job.name}.json"
    place.write_text(json.dumps(words))
    script = HERE / f"by_{job.tool.replace('-', '_')}.py"
    said = subprocess.run([_python(job.tool), script, place], check=True, stdout=subprocess.PIPE, text=True).stdout
    tflite = Path(words["tflite"]).read_bytes()
    packed = len(gzip.compress(tflite, 9, mtime=0))
    return Made(tflite, packed, json.loads(said.splitlines()[-1])["seconds"])


def _ours(job: Job) -> Made:
    """A job as a recipe of ours, from the same float net."""
    source = {"keras": str(_float(job.net))}
    given = {"name": job.name, "data": _data_of(job), "model": source, "stage": job.stages}
    start = time.perf_counter()
    done = build(ReadRecipe(Recipe.model_validate(given), RUNS.resolve()), Options(DATA, RUNS, fresh=True), _tell)
    seconds = time.perf_counter() - start
    return Made((done.folder / "bundle" / "model.tflite").read_bytes(), done.facts["shipped_bytes"], seconds)


@cache
def _python(tool: str) -> Path:
    """The interpreter of a peer's environment, made at the first use."""
    place = RUNS / "peers" / tool
    if not (place / "done").exists():
        venv.create(place, with_pip=True, clear=True)
        wanted = HERE / "requirements" / f"{tool}.txt"
        subprocess.run([place / "bin" / "pip", "install", "--quiet", "-r", wanted], check=True)
        (place / "done").touch()
    return place / "bin" / "python"


@cache
def _folder(net: str) -> Path:
    """The folder with a net's float file, weights and training pictures, as the peers read them."""
    import keras

    from bramble.convert import convert

    folder = (RUNS / "peers" / net).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    model = keras.models.load_model(_float(net), compile=False)
    np.savez(folder / "weights.npz", **{f"w{i}": value for i, value in enumerate(model.get_weights())})
    (folder / "float.tflite").write_bytes(convert(model, "float32", lambda: iter(())))
    train = _data("cifar10" if net == "resnet8" else "mnist").train
    np.savez(folder / "pictures.npz", pictures=train.pixels, labels=train.labels)
    return folder


@cache
def _float(net: str) -> Path:
    """The float net that all start from: trained by ours, or the pretrained file."""
    if net == "resnet8":
        return PRETRAINED
    train = {"do": "train", "epochs": 12, "augment": {"shift": 1}}
    given = {
        "name": f"{net}-float",
        "data": {"name": "mnist", "held_out": HELD_OUT / 60_000},
        "model": {"build": f"bramble_zoo.{net}:build"},
        "stage": [train, {"do": "quantize", "scheme": "float32"}],
    }
    return trained(ReadRecipe(Recipe.model_validate(given), RUNS), Options(DATA, RUNS), _tell).resolve()


def _data_of(job: Job) -> dict[str, Any]:
    total = 60_000 if job.data == "mnist" else 50_000
    return {"name": job.data, "held_out": HELD_OUT / total, "range": [0.0, _pixels(job.net).high]}


@cache
def _data(name: str) -> Dataset:
    source = mnist.source(DATA) if name == "mnist" else cifar10.source(DATA)
    return split(source, HELD_OUT / (60_000 if name == "mnist" else 50_000))


def _pixels(net: str) -> Pixels:
    return Pixels(32, 32, "rgb", 0.0, 255.0) if net == "resnet8" else Pixels(28, 28, "gray")


def _tell(event: Event) -> None:
    if isinstance(event, Note):
        print(event.text, flush=True)


if __name__ == "__main__":
    main()
