"""What an examination needs: the int8 file, its float model, pictures; from a run where there is one.

A run's folder has its recipe, and the artifact that its bundle names has the float model. Anything else needs both
given: ``--float`` and ``--pictures``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bramble.build_model import load_model
from bramble.bundle import find_bundle, load_bundle, load_packed
from bramble.convert import convert
from bramble.datasets import open_source
from bramble.datasets.types import Source, split
from bramble.doctor.pictures import pictures_in
from bramble.errors import BundleError, UsageError
from bramble.graph.flatten import flatten
from bramble.quantization.export import few_valued, weighted
from bramble.quantization.plain import plain
from bramble.quantization.prepare import laid_out
from bramble.quantization.retie import stored_order
from bramble.recipe import Recipe
from bramble.recipe_quantize import Quantize
from bramble.tflite import WEIGHTED, read_graph
from bramble.work import Work
from bramble_agent.unpacking.unpack import is_packed
from bramble_agent.wire import Pixels

FLOAT_NEEDED = "give it with --float FILE.keras, .h5 or .tflite, or give the run's folder instead"


@dataclass(frozen=True)
class Given:
    """What a person gave besides the model: a float model, a folder of pictures, where data sets and runs are."""

    float_model: Path | None = None
    pictures: Path | None = None
    data_dir: Path | None = None
    runs: Path = Path("runs")


@dataclass(frozen=True)
class Patient:
    """A model to be examined. ``model`` is None where the float one is a .tflite: then no repair can be tried.

    ``names`` are the layers of the nodes of ``floating``. ``labelled`` says whether pictures have their classes.
    """

    integer: bytes
    floating: bytes
    pixels: Pixels
    model: keras.Model | None
    names: dict[int, str]
    how: Quantize
    work: Work
    labelled: bool


@dataclass(frozen=True)
class _File:
    integer: bytes
    pixels: Pixels
    labels: tuple[str, ...]
    recipe: Recipe | None
    artifact: Path | None


def admit(thing: Path, given: Given, warn: Callable[[str], None]) -> Patient:
    """Gather a patient's things. Raises UsageError, DataError or BundleError for what is missing."""
    file = _open(thing, given.runs)
    model, floating = _float(file, given, thing)
    names: dict[int, str] = {}
    last = file.recipe.stage[-1] if file.recipe else None
    how = last if isinstance(last, Quantize) else Quantize(do="quantize")
    if model is not None:
        graph = plain(model)
        graph = laid_out(graph, how, {*few_valued(graph), *how.keep}, learned=False)  # equalized as the int8 one is
        floating = convert(graph, "float32", lambda: iter(()))
        names = _names(floating, graph)
    source, share = _source(file, given, warn)
    data = split(source, share)
    seed = file.recipe.seed if file.recipe else 1
    return Patient(
        file.integer,
        floating,
        file.pixels,
        model,
        names,
        how,
        Work(data, file.pixels, seed, lambda event: None),
        source.labels == file.labels,
    )


def _open(thing: Path, runs: Path) -> _File:
    if thing.is_dir() or thing.suffix == ".zip":
        path = find_bundle(thing)
        bundle = load_bundle(path)
        manifest = bundle.manifest
        key = manifest.provenance.get("artifact", "")
        places = (path.absolute().parent.parent.parent, runs)
        found = [place / ".artifacts" / key for place in places if key and (place / ".artifacts" / key).is_dir()]
        recipe = _recipe(path.absolute().parent / "artifact.json")
        model = bundle.read("model.tflite")
        return _File(model, manifest.pixels, bundle.labels, recipe, found[0] if found else None)
    try:
        raw = thing.read_bytes()
    except OSError as error:
        raise UsageError(f"{thing} cannot be read: {error.strerror}") from error
    model = load_packed(raw) if is_packed(raw) else raw
    return _File(model, _pixels(model), (), None, None)


def _recipe(facts: Path) -> Recipe | None:
    """The recipe in the facts of a run; None where there is no run."""
    if not facts.is_file():
        return None
    try:
        return Recipe.model_validate(json.loads(facts.read_text(encoding="utf-8"))["facts"]["recipe"])
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{facts} is damaged, or of another Bramble", "build the recipe again") from error


def _pixels(model: bytes) -> Pixels:
    """What pixels 0 and 255 are to a bare .tflite: the ends of its input's range."""
    graph = read_graph(model)
    tensor = graph.tensors[graph.inputs[0]]
    if len(tensor.shape) != 4 or tensor.shape[3] not in (1, 3) or not tensor.scales:
        raise UsageError("--layers is for int8 models of pictures", "give an int8 model of one input of pictures")
    low, high = ((end - tensor.zero_point) * tensor.scales[0] for end in (-128, 127))
    return Pixels(tensor.shape[1], tensor.shape[2], "gray" if tensor.shape[3] == 1 else "rgb", low, high)


def _float(file: _File, given: Given, thing: Path) -> tuple[keras.Model | None, bytes]:
    """The float model as Keras has it, or as a .tflite."""
    path = given.float_model
    if path is None:
        kept = [file.artifact / name for name in ("model.keras", "float.tflite")] if file.artifact else []
        path = next((one for one in kept if one.is_file()), None)
        if path is None:
            raise UsageError(f"{thing} has no float model beside it to compare with", FLOAT_NEEDED)
    if not path.is_file():
        raise UsageError(f"--float: there is no file {path}", FLOAT_NEEDED)
    if path.suffix in (".keras", ".h5"):
        return flatten(load_model(path)), b""
    floating = path.read_bytes()
    kinds = {tensor.dtype for tensor in read_graph(floating).weights()}
    if kinds != {"FLOAT32"}:
        raise UsageError(f"--float: the kernels of {path} are {', '.join(sorted(kinds)) or 'none'}", FLOAT_NEEDED)
    return None, floating


def _source(file: _File, given: Given, warn: Callable[[str], None]) -> tuple[Source, float]:
    """Pictures, and the share of them that is held out."""
    if given.pictures is not None:
        return pictures_in(given.pictures, file.pixels, file.labels, warn), 0.5
    if file.recipe is None:
        raise UsageError("no pictures to examine the model with", "give a folder of them with --pictures")
    data = file.recipe.data
    if data.name == "folder" and not Path(str(data.path)).expanduser().is_absolute():
        raise UsageError(f"the run does not say where its pictures ({data.path}) are", "give --pictures FOLDER")
    return open_source(data, Path(), given.data_dir, False, warn), data.held_out


def _names(floating: bytes, graph: keras.Model) -> dict[int, str]:
    """Which layer each weighted node of a float file is: by its kernel."""
    file = read_graph(floating)
    layers = [(layer.name, stored_order(layer, np.asarray(layer.kernel))) for layer in weighted(graph)]
    found = {}
    for number, node in enumerate(file.nodes):
        kernel = file.tensors[node.inputs[1]].value if node.name in WEIGHTED else None
        name = next((name for name, mine in layers if _same(mine, kernel)), None)
        if name:
            found[number] = name
    return found


def _same(mine: NDArray[Any], theirs: NDArray[Any] | None) -> bool:
    return theirs is not None and mine.shape == theirs.shape and bool(np.allclose(mine, theirs, rtol=1e-4, atol=1e-7))
