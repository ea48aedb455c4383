"""``--set key.path=value`` on a recipe, and the JSON Schema of recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bramble.errors import RecipeError
from bramble.reading import read_recipe, recipe_schema
from bramble.recipe import Recipe

RECIPE = """\
name = "small"
[data]
name = "digits"
[model]
build = "bramble_zoo.digits_cnn:build"
[[stage]]
do = "train"
[[stage]]
do = "quantize"
"""


def read(folder: Path, *overrides: str) -> Recipe:
    """The recipe above with overrides."""
    path = folder / "mine.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return read_recipe(str(path), overrides).recipe


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seed=7", ("seed",), 7),
        (" seed = 7 ", ("seed",), 7),
        ("name=other", ("name",), "other"),
        ('name="other"', ("name",), "other"),
        ("data.name=mnist", ("data", "name"), "mnist"),
        ("data.range=[-1, 1]", ("data", "range"), (-1.0, 1.0)),
        ("stage.0.epochs=3", ("stage", 0, "epochs"), 3),
        ("stage.0.learning_rate=1e-2", ("stage", 0, "learning_rate"), 0.01),
        ("stage.0.augment.flip=true", ("stage", 0, "augment", "flip"), True),
        ("stage.1.scheme=int16x8", ("stage", 1, "scheme"), "int16x8"),
        ("budget.size_bytes=20_000", ("budget", "size_bytes"), 20_000),
        ("model.build=a=b:c", ("model", "build"), "a=b:c"),
    ],
)
def test_override_sets_one_value(tmp_path: Path, override: str, path: tuple[str | int, ...], value: object) -> None:
    """The value is read as TOML, or else taken as a string; tables that are not there are made."""
    at: Any = read(tmp_path, override).model_dump()
    for part in path:
        at = at[part]
    assert at == value
    assert type(at) is type(value)


def test_later_override_wins_and_others_stay(tmp_path: Path) -> None:
    """Overrides are applied in order; what they do not name is as in the file."""
    recipe = read(tmp_path, "seed=7", "stage.0.epochs=3", "seed=8")
    assert (recipe.seed, recipe.name) == (8, "small")
    assert recipe.stage[0].model_dump()["epochs"] == 3


def test_whole_stages_can_be_given(tmp_path: Path) -> None:
    """A list of tables is a value like another."""
    given = 'stage=[{do="train", epochs=1}, {do="quantize", scheme="float16"}]'
    assert [stage.do for stage in read(tmp_path, given).stage] == ["train", "quantize"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed", "not key=value"),
        ("=3", "not key=value"),
        ("stage.2.epochs=3", "there is no entry 2, the recipe has 2 (counted from 0)"),
        ("stage.2={}", "there is no entry 2, the recipe has 2 (counted from 0)"),
        ("stage.-1.epochs=3", "there is no entry -1"),
        ("stage.²=3", "there is no entry ²"),
        ("stage.first.epochs=3", "there is no entry first"),
        ("name.x=1", "'x' is not inside a table"),
        ("data.name.x=1", "'x' is not inside a table"),
        ("data.name.x.y=1", "'x' is not inside a table"),
        ("seed=many", "seed: should be a valid integer, got 'many'"),
        ("sed=1", "unknown key 'sed'; did you mean 'seed'?"),
        ("budget.acuracy=1", "unknown key 'budget.acuracy'; did you mean 'accuracy'?"),
        ("budget.size.bytes=1", "unknown key 'budget.size'; did you mean 'size_bytes'?"),
        ("stage.0.augment.shfit=1", "unknown key 'stage.0.augment.shfit'; did you mean 'shift'?"),
        ("stage.0.do=trian", "stage.0.do: there is no stage 'trian'; did you mean 'train'?"),
        ("stage.0={}", 'stage.0.do: every [[stage]] needs do = "…"'),
        ("stage=3", "stage: should be a valid tuple, got 3"),
        ("model.keras=a.keras", "give exactly one of build"),
        ("data.0=1", "data.0: Keys should be strings, got 0"),
    ],
)
def test_wrong_override_is_named(tmp_path: Path, override: str, said: str) -> None:
    """A mistake that came by --set is told as that, not as a line of the file; nothing crashes."""
    with pytest.raises(RecipeError) as caught:
        read(tmp_path, "stage.0.batch_size=64", override)
    assert caught.value.message.startswith(f"--set {override}: {said}")


def test_mistake_of_the_file_is_not_laid_to_an_override(tmp_path: Path) -> None:
    """An innocent override is not blamed for a mistake elsewhere."""
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE.replace('do = "train"', "epochs = 1"), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        read_recipe(str(path), ["stage.0.batch_size=64", "seed=2"])
    assert caught.value.message.startswith(f"{path}:6: stage.0.do: every [[stage]] needs do")


def _tables(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {"Recipe": schema, **schema["$defs"]}


def test_schema_is_closed_and_its_references_resolve() -> None:
    """Every table refuses unknown keys, requires only keys it has, and every reference leads somewhere."""
    schema = recipe_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for name, table in _tables(schema).items():
        assert table["type"] == "object", name
        assert table["additionalProperties"] is False, name
        assert set(table.get("required", ())) <= set(table["properties"]), name
    references = set(_references(schema))
    assert references == {f"#/$defs/{name}" for name in schema["$defs"]}


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in _references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [found for value in node.values() for found in _references(value)]


def test_schema_tells_stages_apart_by_do() -> None:
    """Each stage is an alternative whose do is its one name, so that editors complete the right keys."""
    schema = recipe_schema()
    items = schema["properties"]["stage"]["items"]
    assert items["discriminator"]["propertyName"] == "do"
    named = {name: target.removeprefix("#/$defs/") for name, target in items["discriminator"]["mapping"].items()}
    assert {"train", "quantize"} <= set(named)
    assert {one["$ref"] for one in items["oneOf"]} == {f"#/$defs/{target}" for target in named.values()}
    for name, target in named.items():
        assert schema["$defs"][target]["properties"]["do"]["const"] == name
        assert "do" in schema["$defs"][target]["required"]


def test_schema_carries_the_documentation() -> None:
    """The sentence under each key reaches the editor; only a stage's do speaks for itself."""
    for name, table in _tables(recipe_schema()).items():
        assert table["description"], name
    epochs = recipe_schema()["$defs"]["Train"]["properties"]["l2"]
    assert epochs["description"] == "Weight of the sum of w² over all kernels in the loss."
