"""Pack a model with everything a board must know: manifest, labels, golden answers; a folder, and one .zip of it.

Both are reproducible: the same model gives the same bytes, so a bundle's digest (the manifest's sha256) names it.
Opening and checking a bundle is the thin side's business: ``bramble_agent.bundle.open_bundle``.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bramble.datasets.types import Dataset, Images
from bramble.errors import BundleError, from_agent
from bramble.packing.shipped import Hints, packed_form
from bramble.tflite import read_graph
from bramble_agent import runtime
from bramble_agent.bundle import LIMIT_BYTES, MANIFEST, MODEL, PACKED, Bundle, open_bundle
from bramble_agent.codec import encode
from bramble_agent.digest import sha256_file
from bramble_agent.errors import AgentError, ModelRejected, OperatorMissing
from bramble_agent.golden import answers
from bramble_agent.pixels import table, to_input
from bramble_agent.unpacking.unpack import unpack
from bramble_agent.wire import BUNDLE_VERSION, Budget, FileFact, Golden, Manifest, Pixels, Scores

GOLDEN = 16  # pictures of the golden answers
NAMED = 5  # bundles in a hint
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say


@dataclass(frozen=True)
class Contents:
    """What goes into a bundle besides the model. ``pictures`` [N, h, w, c] become the golden inputs.

    ``hashed`` are (seed, buckets) of layers of HashedNets, so that they pack to K values.
    """

    name: str
    labels: tuple[str, ...]
    pixels: Pixels
    output_kind: str
    pictures: NDArray[np.uint8]
    budget: Budget
    scores: Scores
    provenance: dict[str, str]
    hashed: Hints = ()
    task: str = "classification"


def pack(folder: Path, model: bytes, contents: Contents) -> str:
    """Write a bundle into the empty ``folder``; returns its digest.

    The golden answers are those of this machine's interpreter, and of its other families of kernels.
    Raises IncompatibleError or the agent's ModelRejected for a model that cannot be read or run.
    """
    engine = runtime.load(model)
    graph = read_graph(model)
    golden: dict[str, NDArray[Any]] = {"pixels": contents.pictures}
    golden["input_0"] = to_input(contents.pictures, table(contents.pixels, engine.inputs[0]))
    golden.update({f"output_{i}": values for i, values in enumerate(answers(engine, golden, contents.task))})
    others = _by_other_kernels(model, golden, contents.task)
    golden.update({f"{family}_{i}": values for family, all_ in others.items() for i, values in enumerate(all_)})
    (folder / MODEL).write_bytes(model)
    packed = packed_form(model, contents.hashed)
    if packed is not None:
        (folder / PACKED).write_bytes(packed)
    (folder / "labels.txt").write_text(
        "".join(" ".join(label.splitlines()) + "\n" for label in contents.labels), encoding="utf-8"
    )
    np.savez(folder / "golden.npz", **golden)  # type: ignore[arg-type]
    manifest = Manifest(
        version=BUNDLE_VERSION,
        name=contents.name,
        task=contents.task,
        files={name: _fact(folder / name) for name in LIMIT_BYTES if name != MANIFEST},
        inputs=engine.inputs,
        outputs=engine.outputs,
        pixels=contents.pixels,
        output_kind=contents.output_kind,
        operators=graph.operators(),
        minimum_runtime=graph.minimum_runtime,
        golden=Golden(len(contents.pictures), engine.runtime, engine.kernels, tuple(others)),
        budget=contents.budget,
        scores=contents.scores,
        provenance=contents.provenance,
    )
    raw = json.dumps(encode(manifest), indent=1, sort_keys=True, ensure_ascii=False).encode()
    (folder / MANIFEST).write_bytes(raw)
    return hashlib.sha256(raw).hexdigest()


def _by_other_kernels(model: bytes, golden: dict[str, NDArray[Any]], task: str) -> dict[str, list[NDArray[Any]]]:
    """What each family of kernels answers, by its name; one that lacks an operator of the model is left out."""
    found = {}
    for family in runtime.FAMILIES:
        try:
            found[family] = answers(runtime.load(model, family=family), golden, task)
        except (ModelRejected, OperatorMissing, RuntimeError):
            continue
    return found


def scores_of(score: dict[str, Any], counts: dict[str, Any]) -> Scores:
    """What a manifest says of a model, from the facts of its evaluation and of its last stage."""
    return Scores(
        accuracy=score["shipped"],
        float_accuracy=score["float"],
        tested=score["tested"],
        float_bytes=score["float_bytes"],
        parameters=counts["parameters"],
        nonzero=counts["nonzero"],
        macs=counts["macs"],
    )


def zip_bundle(folder: Path, target: Path) -> None:
    """Write a bundle folder as one reproducible .zip, the model packed if the folder has it so."""
    packed = (folder / PACKED).is_file()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in LIMIT_BYTES:
            if name == MODEL and packed:
                archive.writestr(zipfile.ZipInfo(PACKED, EPOCH), (folder / PACKED).read_bytes())
            else:
                archive.writestr(zipfile.ZipInfo(name, EPOCH), (folder / name).read_bytes(), zipfile.ZIP_DEFLATED)


def packed_model_bytes(bundle_zip: Path) -> int:
    """How many bytes of a bundle's .zip are the model: what travels to a board for it."""
    with zipfile.ZipFile(bundle_zip) as archive:
        return archive.getinfo(PACKED if PACKED in archive.namelist() else MODEL).compress_size


def _fact(path: Path) -> FileFact:
    return FileFact(sha256_file(path), path.stat().st_size)


def golden_pictures(data: Dataset) -> NDArray[np.uint8]:
    """Held-out pictures for the golden answers, spread evenly over the classes; training ones where those are few."""
    return spread(data.held_out if len(data.held_out) >= GOLDEN else data.train, GOLDEN)


def spread(images: Images, count: int) -> NDArray[np.uint8]:
    """So many of the pictures, or all, spread evenly over their classes."""
    by_class = np.argsort(images.labels, kind="stable")
    chosen = np.linspace(0, len(by_class) - 1, min(count, len(by_class))).astype(int)
    return images.take(by_class[chosen]).pixels


def find_bundle(path: Path) -> Path:
    """The bundle that a person means: a .zip, a bundle's folder, or a run's folder with bundle/ in it.

    Raises BundleError naming the bundles inside for the folder of a recipe's runs, and for a recipe's name; and for a
    bare model.
    """
    if path.is_file() and _is_bare(path):
        hint = f"`bramble import {path} --labels FILE` makes a bundle of it"
        raise BundleError(f"{path} is a bare model: it lacks labels and preprocessing", hint)
    if (path / "bundle").is_dir():
        return path / "bundle"
    inside = bundles_in(path)
    if inside:
        raise BundleError(f"{path} holds a recipe's runs, not one bundle", _choose(inside))
    made = [] if path.exists() else bundles_in(Path(os.environ.get("BRAMBLE_RUNS", "runs")) / path)
    if made:
        raise BundleError(f"there is no bundle {path}, but a recipe of that name was built", _choose(made))
    return path


def _is_bare(path: Path) -> bool:
    """Whether a file is a .tflite; one with metadata is a .zip too."""
    try:
        with path.open("rb") as file:
            return file.read(8)[4:] == b"TFL3"
    except OSError:
        return False


def bundles_in(runs: Path) -> list[Path]:
    """The bundles of a recipe's runs, newest first."""
    found = [path for path in runs.glob("*/bundle") if (path / MANIFEST).is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def _choose(bundles: list[Path]) -> str:
    """The hint that names some of them."""
    more = f" and {len(bundles) - NAMED} older" if len(bundles) > NAMED else ""
    return f"name one, the newest first: {', '.join(map(str, bundles[:NAMED]))}{more}"


def load_bundle(path: Path) -> Bundle:
    """Open and check a bundle. Raises BundleError with what is wrong and what to do."""
    try:
        return open_bundle(path)
    except AgentError as error:
        raise from_agent(error.code, error.message, error.hint) from error


def load_packed(data: bytes) -> bytes:
    """The .tflite of a packed model. Raises BundleError with what is wrong and what to do."""
    try:
        return unpack(data)
    except AgentError as error:
        raise from_agent(error.code, error.message, error.hint) from error
