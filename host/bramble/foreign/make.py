"""Make a bundle of a foreign model: examined, labelled, scored if there are pictures, with golden answers from here."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bramble import __version__
from bramble.audit import structure
from bramble.bundle import Contents, pack, spread, zip_bundle
from bramble.datasets.types import Images
from bramble.errors import StorageError, UsageError, from_agent
from bramble.events import OnEvent
from bramble.foreign.labels import HOW, labels_inside, of_classes, of_detections, read_labels
from bramble.foreign.model import Foreign, Wish, examine
from bramble.foreign.pictures import computed, how_many, labelled
from bramble.tflite import Graph
from bramble_agent.bundle import LIMIT_BYTES, NAME, PACKED
from bramble_agent.errors import AgentError
from bramble_agent.wire import Budget, Scores


@dataclass(frozen=True)
class Given:
    """What a person gives with a model. ``labels`` is a file or names with commas; "" where the model has them itself.

    ``name`` is the bundle's ("": from the file's), ``output`` a .zip or a folder (None: NAME.zip here), ``pictures`` a
    folder with one sub-folder a label, by which it is scored.
    """

    labels: str = ""
    name: str = ""
    output: Path | None = None
    wish: Wish = field(default_factory=Wish)
    background: bool = False
    pictures: Path | None = None


@dataclass(frozen=True)
class Imported:
    """A bundle that was made: where, its digest, what the model is, and what the audit says of it."""

    path: Path
    digest: str
    name: str
    labels: tuple[str, ...]
    model: Foreign
    accuracy: float | None
    tested: int
    audit: str


def import_model(file: Path, given: Given, on_event: OnEvent) -> Imported:
    """Make a bundle of the model in ``file``.

    Raises UsageError for what cannot be used or must be said, IncompatibleError for a model that boards cannot run or
    the camera loop cannot use, DataError for pictures, StorageError.
    """
    model = _read(file)
    try:
        foreign = examine(model, given.wish)
    except AgentError as error:
        raise from_agent(error.code, error.message, error.hint) from error
    labels = _labels(model, foreign, given)
    name = _name(given.name, file)
    target = given.output or Path(f"{name}.zip")
    _check_target(target)
    images = _images(foreign, labels, given, on_event)
    contents = Contents(
        name=name,
        labels=labels,
        pixels=foreign.pixels,
        output_kind=foreign.kind,
        pictures=_golden(foreign, images),
        budget=Budget(),
        scores=_scores(model, foreign, images),
        provenance=_provenance(model, file, foreign.graph, images),
        task=foreign.task,
    )
    digest = _write(model, contents, target)
    scores = contents.scores
    audit = contents.provenance["audit"]
    return Imported(target, digest, name, labels, foreign, scores.accuracy, scores.tested, audit)


def _read(file: Path) -> bytes:
    if file.is_dir() or file.suffix == ".zip":
        raise UsageError(f"{file} is no .tflite", "a bundle is pushed as it is; a recipe builds from a Keras file")
    if file.suffix in (".keras", ".h5"):
        raise UsageError(f"{file} is a Keras model", 'a recipe begins with it: [model] keras = "FILE", then quantize')
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error


def _labels(model: bytes, foreign: Foreign, given: Given) -> tuple[str, ...]:
    labels = read_labels(given.labels) if given.labels else labels_inside(model)
    if not labels:
        count = f"its {foreign.classes:,} classes" if foreign.classes else "its classes"
        raise UsageError(f"the model does not say what {count} are called", HOW)
    if foreign.task == "detection":
        return of_detections(labels, foreign.classes)
    return of_classes(labels, foreign.classes, given.background)


def _name(given: str, file: Path) -> str:
    """The bundle's name; of a file's name what may be in one."""
    name = given or re.sub(r"[^a-z0-9._-]+", "-", file.stem.lower()).strip("-._")[:64] or "model"
    if not NAME.fullmatch(name):
        hint = "up to 64 of a-z, 0-9, dot, dash and underscore, a letter or digit first"
        raise UsageError(f"a model cannot be named {name[:80]!r}", hint)
    return name


def _images(foreign: Foreign, labels: tuple[str, ...], given: Given, on_event: OnEvent) -> Images | None:
    if given.pictures is None:
        return None
    if foreign.task == "detection":
        raise UsageError("--data scores classifiers only", "leave it out")
    return labelled(given.pictures, labels, foreign.pixels, on_event)


def _golden(foreign: Foreign, images: Images | None) -> NDArray[np.uint8]:
    """A person's own pictures where there are enough of them."""
    count = how_many(foreign.pixels)
    return spread(images, count) if images is not None and len(images) >= count else computed(foreign.pixels)


def _scores(model: bytes, foreign: Foreign, images: Images | None) -> Scores:
    kernels = [tensor.value for tensor in foreign.graph.weights() if tensor.value is not None]
    facts: dict[str, Any] = {
        "parameters": sum(kernel.size for kernel in kernels),
        "nonzero": sum(int(np.count_nonzero(kernel)) for kernel in kernels),
        "macs": foreign.graph.macs(),
    }
    if images is None:
        return Scores(**facts)
    from bramble.evaluate import evaluate

    return Scores(accuracy=evaluate(model, images, foreign.pixels), tested=len(images), **facts)


def _provenance(model: bytes, file: Path, graph: Graph, images: Images | None) -> dict[str, str]:
    scheme, findings = structure(graph)
    return {
        "bramble": __version__,
        "imported": file.name,
        "sha256": hashlib.sha256(model).hexdigest(),
        "scored on": "no pictures" if images is None else f"{len(images):,} pictures of its importer",
        "audit": "; ".join([f"{scheme}, imported: no float model to compare with", *findings]),
    }


def _check_target(target: Path) -> None:
    """Refuse to write over what is no bundle."""
    if target.suffix == ".zip":
        refused = target.is_dir()
    else:
        held = {path.name for path in target.iterdir()} if target.is_dir() else set()
        refused = target.is_file() or not held <= {*LIMIT_BYTES, PACKED}
    if refused:
        raise UsageError(f"{target} is there and no bundle", "give another place: --output NAME.zip or an empty folder")


def _write(model: bytes, contents: Contents, target: Path) -> str:
    """Write the bundle beside ``target``, then put it there in one step."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".bramble-", dir=target.parent) as held:
            folder = Path(held) / "bundle"
            folder.mkdir()
            digest = pack(folder, model, contents)
            if target.suffix == ".zip":
                zip_bundle(folder, Path(held) / "bundle.zip")
                (Path(held) / "bundle.zip").replace(target)
            else:
                if target.is_dir():
                    shutil.move(target, Path(held) / "old")
                folder.replace(target)
    except OSError as error:
        raise StorageError(
            f"cannot write {target}: {error.strerror or error}", "choose another place: --output"
        ) from error
    return digest
