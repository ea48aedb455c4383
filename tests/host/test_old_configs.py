"""Files of Keras 2, which wrote ``groups`` for layers that never had any: they load, and answer as before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from bramble.build_model import load_model
from bramble.errors import RecipeError
from bramble_agent import runtime
from bramble_agent.pixels import open_picture, table, to_input
from bramble_agent.wire import Pixels

from .nets import scrambled

WROTE_GROUPS = ("DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose")


def modern() -> keras.Model:
    """A model with one layer of each kind."""
    pixels = keras.Input((6, 6, 2))
    x = layers.DepthwiseConv2D(3, name="deep")(pixels)
    x = layers.SeparableConv2D(4, 3, name="apart")(x)
    x = layers.Conv2DTranspose(3, 2, name="up")(x)
    return scrambled(keras.Model(pixels, layers.Dense(2)(layers.Flatten()(x)), name="old"))


def with_groups(config: dict[str, Any], groups: int) -> dict[str, Any]:
    """A model's config as Keras 2 had it."""
    for layer in config["config"]["layers"]:
        if layer["class_name"] in WROTE_GROUPS:
            layer["config"]["groups"] = groups
    return config


def aged(path: Path, groups: int = 1) -> Path:
    """``path`` with groups written into the configs of its layers."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps(with_groups(json.loads(file.attrs["model_config"]), groups))
    return path


def test_old_file_loads_as_plain_layers(tmp_path: Path) -> None:
    """Weights and answers are those of the model that was saved; layers are Keras' own, so it can be saved again."""
    model, path = modern(), tmp_path / "old.h5"
    keras.saving.save_model(model, path)
    loaded = load_model(aged(path))
    given = np.random.default_rng(0).random((4, 6, 6, 2), dtype=np.float32)
    assert np.array_equal(np.asarray(loaded(given)), np.asarray(model(given)))
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in model.layers]
    loaded.save(tmp_path / "again.keras")
    assert keras.models.load_model(tmp_path / "again.keras").count_params() == model.count_params()


def test_groups_that_mean_something_are_refused(tmp_path: Path) -> None:
    """Another number of groups than 1 is not dropped in silence."""
    path = tmp_path / "old.h5"
    keras.saving.save_model(modern(), path)
    with pytest.raises(RecipeError, match=r"old\.h5 does not load: Unrecognized .* DepthwiseConv2D: \{'groups': 2\}$"):
        load_model(aged(path, groups=2))


def test_mlperf_visual_wake_words(data: Path) -> None:
    """The benchmark's file loads, with its number of parameters, and answers as the .tflite that was made of it."""
    folder = data / "models/mlperf-tiny/visual_wake_words"
    model = load_model(folder / "vww_96.h5")
    assert model.count_params() == 221_794
    pixels = Pixels(96, 96, "rgb")
    photos = sorted((data / "photos").glob("coral_*.*"))
    engine = runtime.load(folder / "vww_96_float.tflite")
    shown = np.stack([open_picture(photo, pixels) for photo in photos])
    given = to_input(shown, table(pixels, engine.inputs[0]))
    expected = np.concatenate([engine.run(one[None])[0] for one in given])
    answers = model(keras.tree.pack_sequence_as(model.input, [given]), training=False)
    assert np.abs(np.asarray(answers) - expected).max() < 1e-4
