"""``bramble inspect``: what is in a bundle, a packed model or a .tflite.

``--extract`` writes its files plainly, ``--layers`` says what quantization did to each layer.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from bramble.cli import options
from bramble.cli.screen import show, show_json, watching

FolderPath = Annotated[
    Path | None, typer.Option("--extract", help="Write the plain model.tflite (labels, manifest, …) into this folder.")
]
LayersFlag = Annotated[
    bool, typer.Option("--layers", help="Show what int8 cost each layer beside the float model, and try repairs.")
]
FloatPath = Annotated[
    Path | None, typer.Option("--float", metavar="FILE", help="--layers: the float model, a .keras, .h5 or .tflite.")
]
PicturesPath = Annotated[
    Path | None, typer.Option("--pictures", metavar="DIR", help="--layers: pictures, if not the run's held-out ones.")
]


@dataclass(frozen=True)
class _Found:
    """What a file holds: its own facts, the plain model, its packed form if it came so, and files beside the model."""

    facts: dict[str, Any]
    model: bytes
    packed: bytes | None
    files: dict[str, bytes]


def inspect(
    thing: Annotated[Path, typer.Argument(help="A bundle (folder, .zip, run), a packed model or a .tflite.")],
    extract: FolderPath = None,
    layers: LayersFlag = False,
    float_: FloatPath = None,
    pictures: PicturesPath = None,
    data: options.DataDir = None,
    runs: options.Runs = Path("runs"),
    json: options.Json = False,
) -> None:
    """Show what is in a bundle, a packed model or a .tflite file, and how each tensor of a packed one is coded."""
    if layers:
        _show_layers(thing, (float_, pictures, data, runs), json)
        return
    found = _found(thing)
    facts = _facts(found)
    if extract:
        facts["extracted"] = _extract(found, extract)
    if json:
        show_json(facts)
        return
    from rich.table import Table

    buffers, taken = facts.pop("buffers", []), facts.pop("packed_shares", {})
    table = Table(box=None, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in facts.items():
        shown = "\n".join(map(str, value)) if isinstance(value, list) else value
        table.add_row(name, f"{shown:,}" if isinstance(shown, int) else str(shown))
    show(table)
    if buffers:
        coded = Table("tensor", "coding", "bytes", "packed", box=None)
        for one in buffers:
            coded.add_row(one["name"][-60:], one["coding"], f"{one['size']:,}", f"{one['packed']:,}")
        show(coded)
        by_content = Table("of the packed model", "bytes", "share", box=None)
        for name, count in taken.items():
            by_content.add_row(name, f"{count:,}", f"{count / sum(taken.values()):.0%}")
        show(by_content)


def _show_layers(thing: Path, given: tuple[Path | None, Path | None, Path | None, Path], json: bool) -> None:
    """Examine a model and try repairs."""
    with watching() as on_event:
        from bramble.doctor.consultation import consult
        from bramble.doctor.patient import Given

        facts = consult(thing, Given(*given), on_event)
    if json:
        show_json(facts)
        return
    from bramble.report.doctor_table import render_examined

    show(render_examined(facts))
    show(f"\n → {facts['advice']}")


def _found(thing: Path) -> _Found:
    """Read a file or folder. Raises UsageError or BundleError."""
    from bramble.bundle import find_bundle, load_bundle, load_packed
    from bramble.errors import UsageError
    from bramble_agent.unpacking.unpack import is_packed

    if thing.is_dir() or thing.suffix == ".zip":
        bundle = load_bundle(find_bundle(thing))
        manifest = bundle.manifest
        facts = {
            "bundle": bundle.digest,
            "name": manifest.name,
            "labels": ", ".join(bundle.labels),
            "accuracy": manifest.scores.accuracy if manifest.scores.accuracy is not None else "not measured",
            "audit": manifest.provenance.get("audit", "not stated"),
            "golden": f"{manifest.golden.count} answers by {manifest.golden.runtime} ({manifest.golden.kernels})",
        }
        files = {name: bundle.read(name) for name in bundle.files}
        return _Found(facts, files["model.tflite"], bundle.packed, files)
    try:
        raw = thing.read_bytes()
    except OSError as error:
        raise UsageError(f"{thing} cannot be read: {error.strerror}") from error
    packed = raw if is_packed(raw) else None
    model = load_packed(raw) if packed else raw
    return _Found({"file": str(thing)}, model, packed, {"model.tflite": model})


def _facts(found: _Found) -> dict[str, Any]:
    from bramble.packing.contents_table import rows, shares
    from bramble.tflite import read_graph

    graph = read_graph(found.model)
    tensors = graph.tensors
    facts = {
        **found.facts,
        "model_bytes": len(found.model),
        "macs": graph.macs(),
        "weights": sum(tensor.value.size for tensor in graph.weights() if tensor.value is not None),
        "minimum_runtime": graph.minimum_runtime or "not stated",
        "inputs": [f"{tensors[i].name} {list(tensors[i].shape)} {tensors[i].dtype}" for i in graph.inputs],
        "outputs": [f"{tensors[i].name} {list(tensors[i].shape)} {tensors[i].dtype}" for i in graph.outputs],
        "operators": [f"{op.name} v{op.version} × {op.count}" for op in graph.operators()],
    }
    if found.packed:
        facts["packed_bytes"] = len(found.packed)
        facts["packed_shares"] = shares(found.packed)
        facts["buffers"] = [asdict(row) for row in rows(found.packed)]
    return facts


def _extract(found: _Found, folder: Path) -> list[str]:
    """Write the files plainly. Raises StorageError where the folder cannot be written to."""
    from bramble.errors import StorageError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in found.files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror}", "choose another folder") from error
    return [str(folder / name) for name in sorted(found.files)]
