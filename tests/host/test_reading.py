"""Every mistake in a recipe is one message: where it is, what it is, and the nearest key that exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from bramble.errors import RecipeError
from bramble.reading import find_recipe, read_recipe

# The numbers at the right are the lines that messages must name.
RECIPE = """\
name = "small"                          # 1
seed = 3                                # 2

[data]                                  # 4
name = "digits"                         # 5

[model]                                 # 7
build = "bramble_zoo.digits_cnn:build"  # 8

[[stage]]                               # 10
do = "train"                            # 11
epochs = 2                              # 12
[stage.augment]                         # 13
shift = 1                               # 14

[[stage]]                               # 16
do = "quantize"                         # 17
scheme = "int8"                         # 18

[budget]                                # 20
accuracy = 0.9                          # 21
"""


def write(folder: Path, text: str) -> str:
    """A recipe file in ``folder``; its path as a user would give it."""
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def refused(wanted: str, *overrides: str) -> RecipeError:
    """The error of reading ``wanted``; its message must be one line."""
    with pytest.raises(RecipeError) as caught:
        read_recipe(wanted, overrides)
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 2
    return caught.value


def test_valid_recipe_and_its_folder(tmp_path: Path) -> None:
    """A valid file gives the recipe and the folder that its paths start from."""
    read = read_recipe(write(tmp_path, RECIPE))
    assert read.folder == tmp_path
    assert (read.recipe.name, read.recipe.seed, read.recipe.data.name) == ("small", 3, "digits")
    assert read.recipe.stage[0].model_dump()["augment"]["shift"] == 1
    assert read.recipe.budget.accuracy == 0.9


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("seed = 3", "sed = 3", 2, "unknown key 'sed'; did you mean 'seed'?"),
        ("shift = 1", "shfit = 1", 14, "unknown key 'stage.0.augment.shfit'; did you mean 'shift'?"),
        ("epochs = 2", "epoch = 2", 12, "unknown key 'stage.0.epoch'; did you mean 'epochs'?"),
        ("scheme =", "schema =", 18, "unknown key 'stage.1.schema'; did you mean 'scheme'?"),
        ("accuracy", "acuracy", 21, "unknown key 'budget.acuracy'; did you mean 'accuracy'?"),
        ('name = "digits"', 'nme = "digits"', 5, "unknown key 'data.nme'; did you mean 'name'?"),
        ("[budget]", "[buget]", 20, "unknown key 'buget'; did you mean 'budget'?"),
        ("epochs = 2", 'epochs = "2"', 12, "stage.0.epochs: should be a valid integer, got '2'"),
        ("shift = 1", "shift = -1", 14, "stage.0.augment.shift: should be greater than or equal to 0, got -1"),
        ("accuracy = 0.9", "accuracy = 90", 21, "budget.accuracy: should be less than or equal to 1, got 90"),
        ("seed = 3", "seed = true", 2, "seed: should be a valid integer, got True"),
        ('name = "digits"', "held_out = 0.1", 4, "key 'data.name' is missing"),
        ('do = "train"', 'do = "trian"', 11, "stage.0.do: there is no stage 'trian'; did you mean 'train'?"),
        ('do = "quantize"', "calibration = 9", 16, 'stage.1.do: every [[stage]] needs do = "…"'),
        ("[data]", "[data]\nsize = [8]", 5, "data.size: must be two whole numbers like [96, 96], got [8]"),
        ("build =", 'keras = "a.keras"\nbuild =', 7, 'give exactly one of build = "module:function" and keras'),
        ("build =", "# build =", 7, 'give exactly one of build = "module:function" and keras'),
    ],
)
def test_mistake_names_file_line_and_nearest_key(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    """A mistake at any depth is told with the line that holds it."""
    assert RECIPE.count(old) == 1
    wanted = write(tmp_path, RECIPE.replace(old, new))
    assert refused(wanted).message.startswith(f"{wanted}:{line}: {said}")


def test_unknown_key_lists_what_is_known_there(tmp_path: Path) -> None:
    """The advice lists the keys of the table that the mistake is in, not those of another."""
    error = refused(write(tmp_path, RECIPE.replace("shift = 1", "angle = 1")))
    assert error.hint == "known here: shift, rotate, zoom, contrast, flip"


def test_table_that_may_be_left_out_lists_its_keys(tmp_path: Path) -> None:
    """Inside aware, which is none by default, a mistake is told with aware's own keys."""
    wanted = write(tmp_path, RECIPE.replace('do = "quantize" ', 'do = "quantize"\naware = { epoch = 2 } '))
    error = refused(wanted)
    assert "unknown key 'stage.1.aware.epoch'; did you mean 'epochs'?" in error.message
    assert "settle" in error.hint


def test_inline_table_is_found(tmp_path: Path) -> None:
    """A mistake inside an inline table is told with the line of that table."""
    text = RECIPE.replace("[stage.augment]                         # 13\n", "")
    wanted = write(tmp_path, text.replace("shift = 1 ", "augment = { shft = 1 } "))
    assert refused(wanted).message.startswith(f"{wanted}:13: unknown key 'stage.0.augment.shft'; did you mean 'shift'?")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('[[stage]]                               # 16\ndo = "quantize"', "[other]", "unknown key 'other'"),
        ('do = "quantize"', 'do = "train"\n# ', "unknown key 'stage.1.scheme'"),
        ('do = "train"', 'do = "quantize"\n# ', "unknown key 'stage.0.epochs'"),
    ],
)
def test_unknown_key_comes_before_what_follows_from_it(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Of several mistakes the misspelt key is told first, because others often follow from it."""
    assert said in refused(write(tmp_path, RECIPE.replace(old, new))).message


PRUNED = RECIPE.replace(
    "[[stage]]                               # 16",
    """\
[[stage]]                               # 16
do = "prune"                            # 17
density = 0.1                           # 18
[stage.weights]                         # 19
fc1 = 2.0                               # 20

[[stage]]                               # 22
do = "distill"                          # 23
teacher = "lenet5-int8"                 # 24

[[stage]]                               # 26
do = "slim"                             # 27
ratio = 0.5                             # 28

[[stage]]""",
)


@pytest.mark.parametrize("number", ["inf", "-inf", "nan"])
@pytest.mark.parametrize(
    ("old", "key", "name", "line"),
    [
        ("density = 0.1 ", "quality", "stage.1.quality", 18),
        ("density = 0.1 ", "density", "stage.1.density", 18),
        ("ratio = 0.5 ", "ratio", "stage.3.ratio", 28),
        ("fc1 = 2.0 ", "fc1", "stage.1.weights.fc1", 20),
        ("epochs = 2 ", "learning_rate", "stage.0.learning_rate", 12),
        ("epochs = 2 ", "l2", "stage.0.l2", 12),
        ("epochs = 2 ", "dropout", "stage.0.dropout", 12),
        ("shift = 1 ", "rotate", "stage.0.augment.rotate", 14),
        ("accuracy = 0.9 ", "p50_ms", "budget.p50_ms", 35),
    ],
)
def test_numbers_are_finite(tmp_path: Path, old: str, key: str, name: str, line: int, number: str) -> None:
    """TOML knows inf and nan; no knob does."""
    assert PRUNED.count(old) == 1
    wanted = write(tmp_path, PRUNED.replace(old, f"{key} = {number} "))
    assert refused(wanted).message.startswith(f"{wanted}:{line}: {name}: should be a finite number, got {number}")


def test_a_range_is_finite() -> None:
    """The same for the pair of data.range."""
    assert "data.range: " in refused("digits-int8", "data.range=[0.0, inf]").message


@pytest.mark.parametrize("knob", ["learning_rate=inf", "l1=nan", "dropout=nan"])
def test_overrides_are_finite(knob: str) -> None:
    """--set reads numbers as TOML does."""
    key, _, number = knob.partition("=")
    said = f"--set stage.0.{knob}: stage.0.{key}: should be a finite number, got {number}"
    assert refused("digits-int8", f"stage.0.{knob}").message == said


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("density = 0.1", "density = 0", 18, "stage.1.density: should be greater than 0, got 0"),
        ("density = 0.1", "density = 1.5", 18, "stage.1.density: should be less than or equal to 1, got 1.5"),
        ("density = 0.1", "densty = 0.1", 18, "unknown key 'stage.1.densty'; did you mean 'density'?"),
        ("density = 0.1", "quality = 1.0\ndensity = 0.1", 16, "prune: give exactly one of density, densities and"),
        ("density = 0.1", "# density", 16, "prune: give exactly one of density, densities and quality"),
        ("density = 0.1", "densities = { fc1 = 2 }", 18, "stage.1.densities.fc1: should be less than or equal to 1"),
        ("fc1 = 2.0", "fc1 = -1", 20, "stage.1.weights.fc1: should be greater than 0, got -1"),
        ("teacher =", "techer =", 24, "unknown key 'stage.2.techer'; did you mean 'teacher'?"),
        ("teacher =", "# teacher =", 22, "key 'stage.2.teacher' is missing"),
        ("ratio = 0.5", "ratio = 1.0", 28, "stage.3.ratio: should be less than 1, got 1.0"),
        ("ratio = 0.5", 'ratio = 0.5\nkind = "filter"', 29, "stage.3.kind: should be 'channels' or 'filters'"),
        ('do = "slim"', 'do = "slimm"', 27, "stage.3.do: there is no stage 'slimm'; did you mean 'slim'?"),
    ],
)
def test_mistake_in_compression_names_its_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    """The tables of the techniques too: values, misspelt keys, rules over several keys, and keys inside them."""
    assert PRUNED.count(old) == 1
    wanted = write(tmp_path, PRUNED.replace(old, new))
    assert refused(wanted).message.startswith(f"{wanted}:{line}: {said}")


def test_order_of_stages_is_told_with_the_file(tmp_path: Path) -> None:
    """A rule about the whole recipe names the file, there is no single line."""
    wanted = write(tmp_path, RECIPE.partition("[[stage]]                               # 16")[0])
    assert refused(wanted).message == f'{wanted}: the last stage, and only the last, must be do = "quantize"'


def test_whole_table_missing(tmp_path: Path) -> None:
    """A missing table is named."""
    wanted = write(tmp_path, RECIPE.replace('[data]                                  # 4\nname = "digits"', ""))
    assert refused(wanted).message == f"{wanted}: key 'data' is missing"


def test_toml_mistake_names_its_line(tmp_path: Path) -> None:
    """A file that is no TOML is refused with the parser's line."""
    error = refused(write(tmp_path, RECIPE.replace('"digits"', "digits")))
    assert "not valid TOML" in error.message
    assert "line 5" in error.message
    assert "quotes" in error.hint


def test_file_that_is_not_text(tmp_path: Path) -> None:
    """A binary file is refused as unreadable, not with a decoder's traceback."""
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert refused(str(path)).message.startswith(f"{path} cannot be read")


def test_missing_file_and_unknown_name_give_what_there_is() -> None:
    """A path that is not there lists the zoo; a name that is not there names the nearest of the zoo."""
    missing = refused("no/such.toml")
    assert missing.message == "there is no recipe file no/such.toml"
    assert "digits-int8" in missing.hint
    assert refused("digit-int8").message == "there is no recipe 'digit-int8'; did you mean 'digits-int8'?"
    assert refused("xyz").message == "there is no recipe 'xyz'"


def test_recipe_of_the_zoo_by_name() -> None:
    """A name of the zoo is enough, and wins over a file of the same name."""
    assert find_recipe("digits-int8").name == "digits-int8.toml"
    assert read_recipe("digits-int8").recipe.name == "digits-int8"


def test_patterns_and_pairs_in_plain_words() -> None:
    """A name and a size that cannot be are told without a regular expression or a word of Python's."""
    with pytest.raises(RecipeError, match="name: must be lower-case letters, digits"):
        read_recipe("digits-int8", ['name="My Recipe"'])
    for size in ("[96]", "96", "[96, 96, 3]", "[9.5, 96]"):
        with pytest.raises(RecipeError, match=r"data.size.*: must be two whole numbers like \[96, 96\]"):
            read_recipe("digits-int8", [f"data.size={size}"])


def test_a_model_is_no_recipe(tmp_path: Path) -> None:
    """Whoever wants to deploy one is told how."""
    path = tmp_path / "m.tflite"
    path.write_bytes(b"\x1c\x00\x00\x00TFL3\xc0")
    error = refused(str(path))
    assert "no recipe" in error.message
    assert error.hint == f"`bramble import {path} --labels FILE` makes a bundle of it"
