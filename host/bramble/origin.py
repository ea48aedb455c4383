"""Which file a recipe's model comes from, and its digest; found without importing Keras or the model."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from bramble.errors import RecipeError
from bramble.recipe import Model
from bramble_agent.bundle import sha256_file


def origin_digest(how: Model, folder: Path) -> str:
    """The sha256 of the file that the model comes from. Raises RecipeError where there is none."""
    if how.keras:
        path = folder / how.keras
        if not path.is_file():
            raise RecipeError(f"model.keras: there is no file {path}")
        return sha256_file(path)
    module, _ = builder_parts(str(how.build))
    _make_importable(folder)
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError, SyntaxError):  # SyntaxError: of the package around it
        found = None
    if found is None or found.origin is None or not found.has_location:
        raise RecipeError(f"model.build: there is no module {module}", "it must lie beside the recipe, or be installed")
    return sha256_file(Path(found.origin))


def _make_importable(folder: Path) -> None:
    """A user's own module lies beside the recipe or in the folder the command runs in."""
    for place in (str(Path.cwd()), str(folder.resolve())):
        if place not in sys.path:
            sys.path.append(place)


def builder_parts(build: str) -> tuple[str, str]:
    """The module and the function of "module:function". Raises RecipeError for anything else."""
    module, colon, function = build.partition(":")
    if not (module and colon and function):
        raise RecipeError(f'model.build: {build!r} is not "module:function"', 'for example "bramble_zoo.lenet5:build"')
    return module, function
