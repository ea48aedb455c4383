"""Where a recipe's model comes from, found without importing it, and one message where it does not exist."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

import bramble_zoo
from bramble.errors import RecipeError
from bramble.origin import builder_parts, origin_digest
from bramble.recipe import Model


@pytest.fixture(autouse=True)
def _path_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the search path back as it was: finding a user's module extends it."""
    monkeypatch.setattr(sys, "path", [*sys.path])


def sha256(path: Path) -> str:
    """The digest of a file, by hashlib alone."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_builder_of_the_zoo(tmp_path: Path) -> None:
    """The zoo's builder has the digest of its source file."""
    source = Path(str(bramble_zoo.__file__)).with_name("lenet5.py")
    assert origin_digest(Model(build="bramble_zoo.lenet5:build"), tmp_path) == sha256(source)


@pytest.mark.parametrize("beside", ["recipe", "working directory"])
def test_own_module_is_found_but_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: str) -> None:
    """A module beside the recipe, or where the command runs, is found; its code does not run for its digest."""
    here, recipes = tmp_path / "here", tmp_path / "recipes"
    here.mkdir()
    recipes.mkdir()
    monkeypatch.chdir(here)
    name = f"own_{beside.partition(' ')[0]}"
    source = (recipes if beside == "recipe" else here) / f"{name}.py"
    source.write_text("raise RuntimeError('imported')\n")
    assert origin_digest(Model(build=f"{name}:build"), recipes) == sha256(source)
    assert name not in sys.modules


def test_keras_file_is_relative_to_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Keras file is looked for beside the recipe, wherever the command runs."""
    monkeypatch.chdir("/")
    (tmp_path / "mine.keras").write_bytes(b"anything")
    assert origin_digest(Model(keras="mine.keras"), tmp_path) == hashlib.sha256(b"anything").hexdigest()


def test_missing_keras_file(tmp_path: Path) -> None:
    """A Keras file that is not there is a recipe's error that names it."""
    with pytest.raises(RecipeError, match=r"model\.keras: there is no file .*/absent\.keras"):
        origin_digest(Model(keras="absent.keras"), tmp_path)


@pytest.mark.parametrize("module", ["absent_module", "absent.module", "json.absent", "sys", ".relative", "a..b"])
def test_module_that_is_not_there(tmp_path: Path, module: str) -> None:
    """A module without a source file is a recipe's error: absent, below a package without it, or built in."""
    with pytest.raises(RecipeError, match="there is no module") as caught:
        origin_digest(Model(build=f"{module}:build"), tmp_path)
    assert "beside the recipe" in caught.value.hint


def test_package_that_does_not_compile(tmp_path: Path) -> None:
    """A package whose own file is no Python does not end in a traceback."""
    package = tmp_path / "broken_package"
    package.mkdir()
    (package / "__init__.py").write_text("def (:\n")
    (package / "inner.py").write_text("")
    with pytest.raises(RecipeError, match="there is no module"):
        origin_digest(Model(build="broken_package.inner:build"), tmp_path)


def test_parts_of_a_builder() -> None:
    """Module and function are split at the first colon."""
    assert builder_parts("my.module:make") == ("my.module", "make")


@pytest.mark.parametrize("build", ["", ":", "module", "module:", ":function"])
def test_builder_without_two_parts(build: str) -> None:
    """Anything but module:function is refused with an example."""
    with pytest.raises(RecipeError, match='is not "module:function"') as caught:
        builder_parts(build)
    assert "bramble_zoo.lenet5:build" in caught.value.hint


def test_a_module_beside_it_counts(tmp_path: Path) -> None:
    """A builder may import the file beside it: when that changes, so does the digest; other folders do not matter."""
    (tmp_path / "my_net.py").write_text("from my_blocks import WIDTH\n")
    (tmp_path / "my_blocks.py").write_text("WIDTH = 4\n")
    model = Model(build="my_net:build")
    before = origin_digest(model, tmp_path)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "other.py").write_text("x = 1\n")
    assert origin_digest(model, tmp_path) == before
    (tmp_path / "my_blocks.py").write_text("WIDTH = 64\n")
    assert origin_digest(model, tmp_path) != before
