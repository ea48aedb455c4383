"""``bramble init``: the first recipe of a project, ready to be edited."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bramble.cli.screen import show

PICTURES = """\
#:schema ./bramble.schema.json
name = "{name}"

[data]
name = "folder"                     # one sub-folder of pictures a class
path = {path}
size = [96, 96]                     # height and width of the model's input
color = "rgb"                       # or "gray"

[model]
build = "bramble_zoo.resnet8:build" # or your own "my_module:build", or keras = "file.keras"

[[stage]]
do = "train"
epochs = 30
patience = 8                        # stop after so many epochs without getting better
augment = {{ shift = 4, zoom = 0.1, flip = true }}

[[stage]]
do = "quantize"
scheme = "int8"                     # or float32, float16, dynamic, int16x8

[budget]
accuracy = 0.8
p95_ms = 50.0
"""


def init(
    pictures: Annotated[Path, typer.Argument(help="A folder with one sub-folder of pictures a class.")],
    recipe: Annotated[Path, typer.Option("--recipe", help="The file to write.")] = Path("recipe.toml"),
) -> None:
    """Write a first recipe for a folder of pictures."""
    import json
    import os
    import re

    from bramble.errors import StorageError, UsageError
    from bramble.reading import recipe_schema

    if recipe.exists():
        raise UsageError(f"{recipe} is there already", "edit it, or name another with --recipe")
    if not pictures.is_dir():
        raise UsageError(f"there is no folder {pictures}", "give the folder that holds one sub-folder a class")
    _refuse_too_few(pictures)
    name = re.sub(r"[^a-z0-9._-]+", "-", pictures.resolve().name.lower()).strip("-._")[:64] or "pictures"
    path = Path(os.path.relpath(pictures, recipe.parent)).as_posix()
    try:
        recipe.parent.mkdir(parents=True, exist_ok=True)
        recipe.write_text(PICTURES.format(name=name, path=json.dumps(path, ensure_ascii=False)), encoding="utf-8")
        schema = json.dumps(recipe_schema(), indent=1) + "\n"
        (recipe.parent / "bramble.schema.json").write_text(schema, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {recipe}: {error.strerror}") from error
    show(f"wrote {recipe} (and bramble.schema.json for your editor); next: bramble deploy {recipe}")


def _refuse_too_few(pictures: Path) -> None:
    """Raise UsageError, with what was found, for a folder that is no two classes of pictures."""
    from bramble.datasets.folder import count_classes
    from bramble.errors import UsageError

    found = count_classes(pictures)
    if len(found) < 2:
        told = ", ".join(f"{name} ({count})" for name, count in found.items()) or "none"
        raise UsageError(
            f"{pictures} holds {len(found)} class folder(s) with pictures, needs 2; found: {told}",
            "put the pictures of each class into a sub-folder of its own",
        )
