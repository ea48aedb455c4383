"""A recipe's model: the zoo's, a user's own function or file, and one message for each way that it can be wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from bramble.build_model import build_model, load_model, set_seed
from bramble.errors import RecipeError
from bramble.recipe import Model

SHAPE, CLASSES = (4, 4, 1), 3
Own = Callable[[str], keras.Model]


def dense(shape: tuple[int, int, int] = SHAPE, classes: int = CLASSES) -> keras.Model:
    """The least model that fits."""
    pixels = keras.Input(shape)
    return keras.Model(pixels, keras.layers.Dense(classes)(keras.layers.Flatten()(pixels)))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Own:
    """``own(source)`` builds the model that a user's module of that source makes."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def build(source: str) -> keras.Model:
        (tmp_path / "own_model.py").write_text(source)
        monkeypatch.delitem(sys.modules, "own_model", raising=False)
        try:
            return build_model(Model(build="own_model:build"), tmp_path, SHAPE, CLASSES)
        finally:
            sys.modules.pop("own_model", None)

    return build


def test_zoo_model() -> None:
    """A builder of the zoo is called with the data's shape and classes; its parameters are counted by hand."""
    model = build_model(Model(build="bramble_zoo.digits_cnn:build"), Path(), (8, 8, 1), 10)
    by_hand = (9 * 16 + 16) + (9 * 16 * 32 + 32) + (2 * 2 * 32 * 32 + 32) + (32 * 10 + 10)
    assert (model.input_shape, model.output_shape) == ((None, 8, 8, 1), (None, 10))
    assert model.count_params() == by_hand == 9_258


def test_own_builder(own: Own) -> None:
    """A user's own function gets shape and classes, and its model is taken."""
    model = own(
        "import keras\n"
        "def build(shape, classes):\n"
        "    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(classes)])\n"
    )
    assert model.count_params() == 16 * 3 + 3


WRONG = {
    "no function": ("x = 1\n", "own_model has no function build"),
    "no callable": ("build = 'a string'\n", "own_model has no function build"),
    "no model": ("def build(shape, classes):\n    return [shape]\n", "own_model:build gave a list, not a Keras model"),
    "nothing": ("def build(shape, classes):\n    pass\n", "own_model:build gave a NoneType, not a Keras model"),
    "no shapes": (
        "import keras\ndef build(shape, classes):\n    return keras.Sequential([keras.layers.Dense(classes)])\n",
        "has no shapes yet",
    ),
    "other classes": (
        "import keras\ndef build(shape, classes):\n"
        "    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(7)])\n",
        r"takes \(None, 4, 4, 1\) and gives \(None, 7\); the data has pictures \(4, 4, 1\) of 3 classes",
    ),
    "other pictures": (
        "import keras\ndef build(shape, classes):\n"
        "    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(classes)])\n",
        r"takes \(None, 8, 8, 3\)",
    ),
    "two inputs": (
        "import keras\ndef build(shape, classes):\n    a, b = keras.Input(shape), keras.Input(shape)\n"
        "    flat = keras.layers.Flatten()(keras.layers.Add()([a, b]))\n"
        "    return keras.Model([a, b], keras.layers.Dense(classes)(flat))\n",
        "the data has pictures",
    ),
    "other signature": ("def build():\n    pass\n", r"own_model:build failed: TypeError: build\(\) takes 0 positional"),
    "syntax": ("def build(:\n", r"own_model:build failed: SyntaxError: .*own_model\.py, line 1"),
    "missing import": ("import absent_library\n", "failed: ModuleNotFoundError: No module named 'absent_library'"),
    "missing file": (
        "def build(shape, classes):\n    return open('/absent/weights')\n",
        "failed: FileNotFoundError: .*'/absent/weights'",
    ),
}


@pytest.mark.parametrize(("source", "said"), WRONG.values(), ids=WRONG)
def test_wrong_builder_is_one_message(own: Own, source: str, said: str) -> None:
    """Whatever a user's module does wrong becomes a recipe's error in its own words."""
    with pytest.raises(RecipeError, match=said):
        own(source)


def test_error_in_a_users_code_tells_its_line(own: Own, tmp_path: Path) -> None:
    """What a user's function raises is told with file and line, counted by hand."""
    with pytest.raises(RecipeError, match="ZeroDivisionError") as caught:
        own("def build(shape, classes):\n    helper = 3\n    return helper / 0\n")
    assert caught.value.hint.endswith(f"{tmp_path / 'own_model.py'}:3")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_keras_file_keeps_its_weights(tmp_path: Path, suffix: str) -> None:
    """A saved model comes back with the same answers."""
    model = dense()
    if suffix == "h5":
        pytest.importorskip("h5py")
    keras.saving.save_model(model, tmp_path / f"mine.{suffix}")
    loaded = build_model(Model(keras=f"mine.{suffix}"), tmp_path, SHAPE, CLASSES)
    picture = np.ones((1, *SHAPE), np.float32)
    assert np.array_equal(np.asarray(loaded(picture)), np.asarray(model(picture)))


def test_keras_file_must_fit_the_data_too(tmp_path: Path) -> None:
    """A file's model for other pictures is refused like a builder's."""
    dense((5, 5, 1)).save(tmp_path / "mine.keras")
    with pytest.raises(RecipeError, match=r"takes \(None, 5, 5, 1\)"):
        build_model(Model(keras="mine.keras"), tmp_path, SHAPE, CLASSES)


def refusal(path: Path, raw: bytes) -> str:
    """What is said of a file with these bytes; empty where it loads."""
    path.write_bytes(raw)
    try:
        load_model(path)
    except RecipeError as error:
        return error.message
    return ""


def test_rubbish_files_do_not_load(tmp_path: Path) -> None:
    """A file that is no model, an empty one and one cut short are each one message with the file's name."""
    dense().save(tmp_path / "good.keras")
    good = (tmp_path / "good.keras").read_bytes()
    for raw in (b"", b"rubbish", good[: len(good) // 2]):
        assert f"{tmp_path / 'bad.keras'} does not load: " in refusal(tmp_path / "bad.keras", raw)


def test_flipped_bits_never_crash(tmp_path: Path) -> None:
    """A flipped bit anywhere is refused, or harmless in a name or a date that nobody reads; no other error appears."""
    dense().save(tmp_path / "good.keras")
    good = (tmp_path / "good.keras").read_bytes()
    places = range(10, len(good), max(1, len(good) // 40))
    flipped = [good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :] for at in places]
    said = [refusal(tmp_path / "bad.keras", raw) for raw in flipped]
    assert sum(bool(message) for message in said) > len(said) / 2


def test_rubbish_h5_does_not_load(tmp_path: Path) -> None:
    """A .h5 file that is none is one message."""
    (tmp_path / "bad.h5").write_bytes(b"rubbish")
    with pytest.raises(RecipeError, match=r"bad\.h5 does not load"):
        load_model(tmp_path / "bad.h5")


@pytest.mark.slow
def test_seed_decides_the_weights() -> None:
    """The same seed gives the same first weights, another one others."""
    kernels = []
    for seed in (5, 5, 6):
        set_seed(seed)
        kernels.append(dense().get_weights()[0])
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])
