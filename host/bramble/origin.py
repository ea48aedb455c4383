"""Which file a recipe's model comes from, and its digest; found without importing Keras or the model."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path

from bramble.errors import RecipeError
from bramble.recipe import Model
from bramble_agent.digest import sha256_file


def origin_digest(how: Model, folder: Path) -> str:
    """A sha256 of what the model comes from. Raises RecipeError where there is none."""
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
    return _code_around(Path(found.origin))


def _code_around(source: Path) -> str:
    """A digest of a module and of the Python files beside it, which it may import.

    A module of the zoo or of an installed package stands for itself: its versions change with Bramble's.
    """
    installed = "site-packages" in source.parts or source.parent.name == "bramble_zoo"
    beside = [source] if installed else _python_files(source)
    digests = [sha256_file(path) for path in beside]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _python_files(source: Path) -> list[Path]:
    """The Python files beside a module; all of the package's, where it is in one."""
    top = source.parent
    while (top.parent / "__init__.py").exists() and (top / "__init__.py").exists():
        top = top.parent
    return sorted(top.rglob("*.py") if (top / "__init__.py").exists() else top.glob("*.py"))


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
