"""Read a recipe from TOML, apply ``--set`` overrides, and turn every mistake into one message with its place.

The place is the file and line of the offending key, or the ``--set`` it came from; an unknown key names the nearest
known one.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import pydantic

from bramble.errors import RecipeError
from bramble.recipe import Recipe, Stage

NAMED = "must be lower-case letters, digits, '-', '_' and '.', 64 at most, a letter or digit first"
PAIR = "must be two whole numbers like [96, 96]"
PAIRS = {"size": PAIR, "range": "must be two numbers like [0.0, 1.0]"}
Key = tuple[str | int, ...]


@dataclass(frozen=True)
class ReadRecipe:
    """A valid recipe and the folder that relative paths in it start from."""

    recipe: Recipe
    folder: Path


def zoo_recipes() -> dict[str, Path]:
    """The recipes that come with Bramble, by name."""
    folder = resources.files("bramble_zoo") / "recipes"
    return {Path(str(entry)).stem: Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".toml")}


def find_recipe(wanted: str) -> Path:
    """The file of a recipe given by path or by its name in the zoo.

    Raises RecipeError naming the nearest name.
    """
    known = zoo_recipes()
    if wanted in known:
        return known[wanted]
    path = Path(wanted)
    if path.is_file():
        return path
    if wanted.endswith(".toml") or "/" in wanted:
        raise RecipeError(f"there is no recipe file {wanted}", f"a path, or one of: {', '.join(sorted(known))}")
    raise RecipeError(f"there is no recipe {wanted!r}{_nearest(wanted, known)}", f"known: {', '.join(sorted(known))}")


def read_recipe(wanted: str, overrides: Sequence[str] = ()) -> ReadRecipe:
    """Read and validate a recipe; ``overrides`` are ``key.path=value`` strings, later ones win.

    Raises RecipeError with file and line (or the override) of the first thing that is wrong.
    """
    path = find_recipe(wanted)
    if path.suffix == ".tflite":
        hint = f"`bramble import {path} --labels FILE` makes a bundle of it"
        raise RecipeError(f"{path} is a model that was built already, and no recipe", hint)
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not valid TOML: {error}", "strings need quotes, tables [brackets]") from error
    set_here = [(_override(raw, item), item) for item in overrides]
    try:
        return ReadRecipe(Recipe.model_validate(raw), path.parent)
    except pydantic.ValidationError as error:
        found = error.errors(include_url=False)  # a misspelt key is also a missing one: tell of the misspelling
        first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
        key = _key(first)
        place = next((f"--set {item}" for at, item in reversed(set_here) if _along(at, key)), None)
        raise RecipeError(f"{place or _place(path, text, key)}: {_explain(first, key)}", _hint(first)) from error


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, for editors that complete TOML."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}


def _override(raw: dict[str, Any], item: str) -> Key:
    """Write one ``key.path=value`` into ``raw``; returns the key's path."""
    path, equals, text = item.partition("=")
    if not equals or not path.strip():
        raise RecipeError(f"--set {item}: not key=value", "for example --set stage.0.epochs=3")
    key: Key = tuple(int(part) if part.isdecimal() else part for part in path.strip().split("."))
    at: Any = raw
    for part in key[:-1]:
        at = _step(at, part, item)
    if not isinstance(at, dict):
        _step(at, key[-1], item)  # an entry that a list has; nothing else can be set
    at[key[-1]] = _value(text)
    return key


def _step(at: Any, part: str | int, item: str) -> Any:
    if isinstance(at, list):
        if isinstance(part, int) and part < len(at):
            return at[part]
        raise RecipeError(f"--set {item}: there is no entry {part}, the recipe has {len(at)} (counted from 0)")
    if isinstance(at, dict) and isinstance(part, str):
        return at.setdefault(part, {})
    raise RecipeError(f"--set {item}: {part!r} is not inside a table")


def _value(text: str) -> Any:
    """The value as TOML would read it; what is not TOML is taken as a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _key(error: Any) -> Key:
    """The path of the offending key.

    Pydantic inserts the name of the chosen stage class after the index, and lays a wrong or missing name to the stage.
    """
    parts = list(error["loc"])
    if len(parts) > 2 and parts[0] == "stage" and isinstance(parts[1], int):
        del parts[2]
    return (*parts, "do") if error["type"].startswith("union_tag") else tuple(parts)


def _along(at: Key, key: Key) -> bool:
    """Whether one of two paths leads through the other; the whole file is no path."""
    return at[: len(key)] == key[: len(at)] != ()


def _place(path: Path, text: str, key: Key) -> str:
    line = _line(text, key)
    return f"{path}:{line}" if line else str(path)


def _line(text: str, key: Key) -> int | None:
    """The line of ``key``, or of the innermost table around it that the file has; None for the whole file."""
    names = tuple(part for part in key if isinstance(part, str))
    index = next((part for part in key if isinstance(part, int)), 0)
    seen, depth, best = -1, 0, None
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([\w.-]+)\s*\]?\]", line)
        if header:
            table = tuple(header.group(1).split("."))
            seen += line.lstrip().startswith("[[")
        here = table if header else (*table, line.partition("=")[0].strip())
        if here == names[: len(here)] and len(here) > depth and (table[:1] != ("stage",) or seen == index):
            best, depth = number, len(here)
    return best


def _explain(error: Any, key: Key) -> str:
    name = ".".join(str(part) for part in key)
    kind = error["type"]
    if kind == "extra_forbidden":
        return f"unknown key {name!r}{_nearest(str(key[-1]), _known(error['loc'][:-1]))}"
    if kind == "missing" and not isinstance(key[-1], int):
        return f"key {name!r} is missing"
    if kind == "union_tag_invalid":
        given = str(error["ctx"]["tag"])
        return f"{name}: there is no stage {given!r}{_nearest(given, _stage_names())}"
    if kind == "union_tag_not_found":
        return f'{name}: every [[stage]] needs do = "…"'
    if kind == "value_error":
        return str(error["ctx"]["error"])
    return _plainly(error, key)


def _plainly(error: Any, key: Key) -> str:
    """A value that is wrong, in words of ours where pydantic's are a programmer's."""
    pattern = error["type"] == "string_pattern_mismatch"
    said = NAMED if pattern else str(error["msg"]).replace("Input should", "should")
    if key[0] == "data" and key[1:2] and key[1] in PAIRS:
        key, said = key[:2], PAIRS[str(key[1])]
    return f"{'.'.join(map(str, key))}: {said}, got {error['input']!r}"


def _hint(error: Any) -> str:
    if error["type"].startswith("union_tag"):
        return f"stages: {', '.join(_stage_names())}"
    return f"known here: {', '.join(_known(error['loc'][:-1]))}" if error["type"] == "extra_forbidden" else ""


def _nearest(given: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(given, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _stages() -> dict[str, type[pydantic.BaseModel]]:
    """The stage classes by the name they have in a recipe."""
    union = get_args(get_args(Stage)[0])
    return {get_args(kind.model_fields["do"].annotation)[0]: kind for kind in union}


def _stage_names() -> list[str]:
    return list(_stages())


def _known(location: Sequence[str | int]) -> list[str]:
    """The valid keys of the table at pydantic's ``location``, in the order they are documented."""
    table: Any = Recipe
    for part in location:
        if isinstance(part, int):
            continue
        table = _stages()[part] if part in _stages() else _table_of(table.model_fields[part].annotation) or table
    return list(table.model_fields)


def _table_of(annotation: Any) -> Any:
    """The table that an annotation stands for, perhaps one that may be left out (``Table | None``)."""
    kinds = [one for one in (annotation, *get_args(annotation)) if isinstance(one, type)]
    return next((one for one in kinds if issubclass(one, pydantic.BaseModel)), None)
