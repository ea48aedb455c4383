"""``bramble import``: a bundle of a .tflite that was made elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bramble.cli import options
from bramble.cli.screen import show, show_json, watching

if TYPE_CHECKING:
    from bramble.foreign.make import Imported

Labels = Annotated[
    str, typer.Option("--labels", metavar="FILE|A,B,C", help="The classes' names; not needed where the model has them.")
]
Name = Annotated[str, typer.Option("--name", help="The bundle's name; the file's if not given.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="PATH", help="A .zip or a folder; NAME.zip here if not given.")
]
Range = Annotated[
    str,
    typer.Option("--input-range", metavar="LOW,HIGH", help="What black and white are for the model: 0,1 or -1,1 …"),
]
Fit = Annotated[str, typer.Option("--fit", help="How pictures come to its size: stretch, crop or pad.")]
Answers = Annotated[str, typer.Option("--answers", help="logits or probabilities; read off the file if not given.")]
Background = Annotated[bool, typer.Option("--background", help="The model's first class is none of the labels.")]
Pictures = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Tell its accuracy on pictures in folders named as labels.")
]


def import_(
    file: Annotated[Path, typer.Argument(help="A .tflite: a classifier or an SSD detector of pictures.")],
    labels: Labels = "",
    name: Name = "",
    output: Output = None,
    input_range: Range = "",
    fit: Fit = "stretch",
    answers: Answers = "",
    background: Background = False,
    data: Pictures = None,
    json: options.Json = False,
) -> None:
    """Make a bundle of a .tflite that was made elsewhere, to push, bench and look with.

    A quantized model tells what its pixels become; of a float one say it with --input-range.
    """
    with watching() as on_event:
        from bramble.foreign.make import Given, import_model
        from bramble.foreign.model import FITS, KINDS, Wish

        wish = Wish(_range(input_range), _one_of(fit, FITS, "--fit"), _one_of(answers, ("", *KINDS), "--answers"))
        made = import_model(file, Given(labels, name, output, wish, background, data), on_event)
    if json:
        show_json(_value(made))
        return
    for line in _lines(made):
        show(line)


def _range(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    number = r"\s*(-?\d+(?:\.\d+)?)\s*"
    found = re.fullmatch(f"{number},{number}", text)
    if not found or found[1] == found[2]:
        raise typer.BadParameter(f"{text!r} is no LOW,HIGH like 0,1 or -1,1", param_hint="--input-range")
    return float(found[1]), float(found[2])


def _one_of(given: str, known: tuple[str, ...], option: str) -> str:
    if given not in known:
        raise typer.BadParameter(f"{given!r} is not one of {', '.join(filter(None, known))}", param_hint=option)
    return given


def _value(made: Imported) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "bundle": made.digest,
        "path": str(made.path),
        "name": made.name,
        "task": made.model.task,
        "labels": len(made.labels),
        "pixels": asdict(made.model.pixels),
        "answers": made.model.kind,
        "accuracy": made.accuracy,
        "tested": made.tested,
        "audit": made.audit,
    }


def _lines(made: Imported) -> list[str]:
    how, names = made.model.pixels, made.labels
    some = ", ".join(names[:4]) + (f", … ({len(names):,})" if len(names) > 4 else "")
    lines = [
        f"model     {made.name}: {made.model.task} of {some}",
        f"pictures  {how.width} × {how.height} {how.color}, {how.fit}; black is {how.low:.3g}, white {how.high:.3g}",
        f"answers   {made.model.kind}",
        f"audit     {made.audit}",
    ]
    if made.accuracy is not None:
        lines.append(f"accuracy  {made.accuracy:.2%} of {made.tested:,} pictures")
    return [*lines, f"bundle    {made.path}  ({made.digest[:12]})", f"next      bramble push {made.path} BOARD"]
