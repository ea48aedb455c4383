"""Whether a teacher fits a run: it must see the same pictures and know as many classes; asked before any work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bramble.errors import RecipeError

Shape = tuple[int | None, ...]
Shapes = tuple[Shape, Shape]  # what a model takes, and what it gives


def demand_alike(who: str, theirs: Shapes, ours: Shapes) -> None:
    """Raise RecipeError where a teacher takes or gives something else than the model."""
    if theirs != ours:
        raise RecipeError(
            f"{who} takes {theirs[0]} and gives {theirs[1]}, the model takes {ours[0]} and gives {ours[1]}",
            "choose a teacher for the same data",
        )


def demand_files_alike(paths: Iterable[Path], ours: Shapes) -> None:
    """Load the teachers' Keras files. Raises RecipeError for the first that does not load or fit."""
    from bramble.build_model import load_model

    for path in paths:
        teacher = load_model(path)
        try:
            theirs = teacher.input_shape, teacher.output_shape
        except (AttributeError, ValueError) as error:
            raise RecipeError(f"the teacher {path} has no shapes", "begin it with keras.Input(input_shape)") from error
        demand_alike(f"the teacher {path.name}", theirs, ours)
